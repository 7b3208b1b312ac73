#!/bin/sh
# Asks a service about a photo of any size: ask.sh photo.jpg classification Classify, or ask.sh photo.jpg recognition Identify GALLERY
# A photo in the command line would be too long for most shells (128 KiB for each word), so the request comes by standard input: -d @
set -eu
photo=$1 service=$2 call=$3 gallery=${4-}
case $service in
  classification) port=50051 name=ClassificationService ;;
  detection) port=50052 name=DetectionService ;;
  segmentation) port=50053 name=SegmentationService ;;
  faces) port=50054 name=FaceService ;;
  recognition) port=50055 name=RecognitionService ;;
  imaging) port=50056 name=ImagingService ;;
  *) echo "no service '$service'" >&2; exit 2 ;;
esac
{
  case $service in
    recognition) printf '{"gallery": "%s", "image": {"encoded": "' "$gallery" ;;
    *) printf '{"images": [{"encoded": "' ;;
  esac
  base64 <"$photo" | tr -d '\n'
  case $service in
    recognition) printf '"}}' ;;
    *) printf '"}]}' ;;
  esac
} | "${GRPCURL:-grpcurl}" -plaintext -max-msg-sz 67108864 -d @ "${CONVOY_HOST_NAME:-127.0.0.1}:$port" "convoy.v1.$name/$call"
