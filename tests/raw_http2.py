"""HTTP/2 by hand: what no gRPC client would send."""

import asyncio

MIB = 2**20
PING = 6


class Stalled:
    """A connection that sends a part of a message of so many bytes, and then nothing: raw HTTP/2."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        # Windows begin with 65,535 bytes, or what the service's settings say for streams.
        self._connection, self._stream = 65530, 16384 - 5

    @classmethod
    async def begin(cls, port: int, path: str, promised: int, sent: int) -> "Stalled":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        one = cls(reader, writer)
        window = (2**30).to_bytes(4)
        writer.write(PREFACE + frame(8, 0, 0, window))
        writer.write(frame(1, 4, 1, headers(path)) + frame(0, 0, 1, b"\0" + promised.to_bytes(4)))
        await one.send(sent)
        return one

    async def send(self, left: int) -> None:
        """Send so many bytes, no faster than the service's windows allow."""
        while left:
            size = min(left, 16384, self._connection, self._stream)
            if size > 0:
                self._writer.write(frame(0, 0, 1, bytes(size)))
                left, self._connection, self._stream = left - size, self._connection - size, self._stream - size
                continue
            kind, number, content = await self._read()
            if kind == 8 and number == 0:
                self._connection += int.from_bytes(content)
            elif kind == 8:
                self._stream += int.from_bytes(content)
            elif kind in (3, 7):
                return

    async def _read(self) -> tuple[int, int, bytes]:
        head = await self._reader.readexactly(9)
        return head[3], int.from_bytes(head[5:]), await self._reader.readexactly(int.from_bytes(head[:3]))

    async def end(self) -> bytes:
        """Wait for what ends the stream, and return the headers that say why."""
        said = b""
        while True:
            kind, _, content = await self._read()
            if kind == 1:
                said += content
            if kind == 3 or (kind == 1 and b"grpc-status" in content):
                self._writer.close()
                return said

    def close(self) -> None:
        self._writer.close()


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return len(content).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + content


# A client's greeting, its settings, and word that the service's are taken.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(4, 1, 0)


def headers(path: str, **more: bytes) -> bytes:
    fields = {":method": b"POST", ":scheme": b"http", ":path": path.encode(), ":authority": b"x"}
    fields |= {"content-type": b"application/grpc", "te": b"trailers"} | more
    texts = ((key.encode(), value) for key, value in fields.items())
    return b"".join(b"\0" + bytes([len(k)]) + k + bytes([len(v)]) + v for k, v in texts)


async def ask(port: int, path: str, host: str = "127.0.0.1", **more: bytes) -> bytes:
    """Call a method with an empty message and odd headers; the raw headers of the answer.

    host: the address of this machine from which the call comes.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))
    writer.write(PREFACE)
    writer.write(frame(1, 4, 1, headers(path, **more)) + frame(0, 1, 1, bytes(5)))
    return await asyncio.wait_for(Stalled(reader, writer).end(), 30)
