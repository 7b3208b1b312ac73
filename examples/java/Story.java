// Says what a photo shows, and who is on it: java Story.java photo.jpg GALLERY
// It needs Java 17 and nothing else. It asks the web door of `convoy up`; CONVOY_WEB names another one, CONVOY_TOKEN a token.
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.Optional;

public final class Story {
  private static final HttpClient CLIENT = HttpClient.newHttpClient();

  public static void main(String[] words) throws IOException, InterruptedException {
    if (words.length == 0) {
      System.err.println("usage: java Story.java photo.jpg [GALLERY]");
      System.exit(2);
    }
    Path photo = Path.of(words[0]);
    System.out.println(ask("/v1/classify?top_k=3", photo));
    if (words.length > 1) {
      System.out.println(ask("/v1/galleries/" + words[1] + "/identify", photo));
    }
  }

  /** Sends the file as it is and gives the answer, a JSON document. Any error of the door ends the program. */
  private static String ask(String path, Path photo) throws IOException, InterruptedException {
    String door = Optional.ofNullable(System.getenv("CONVOY_WEB")).orElse("http://127.0.0.1:8080");
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(door + path))
            .header("Content-Type", "image/jpeg")
            .POST(BodyPublishers.ofFile(photo));
    Optional.ofNullable(System.getenv("CONVOY_TOKEN")).ifPresent(token -> request.header("Authorization", "Bearer " + token));
    HttpResponse<String> answer = CLIENT.send(request.build(), BodyHandlers.ofString());
    if (answer.statusCode() != 200) {
      System.err.println(answer.body());
      System.exit(1);
    }
    return answer.body();
  }
}
