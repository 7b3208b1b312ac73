// Every image, for both kinds of machine: docker buildx bake --file services/docker-bake.hcl --print shows what it would build.
variable "IMAGE" { default = "convoy" }
variable "TAG" { default = "latest" }

group "default" { targets = ["cpu"] }
group "all" { targets = ["cpu", "tools", "gpu", "service"] }

target "shared" {
  context   = "services"
  platforms = ["linux/amd64", "linux/arm64"]
}
target "cpu" {
  inherits = ["shared"]
  target   = "cpu"
  tags     = ["${IMAGE}:${TAG}"]
}
target "tools" {
  inherits = ["shared"]
  target   = "tools"
  tags     = ["${IMAGE}:${TAG}-tools"]
}
// ONNX Runtime has no wheel with CUDA for arm64.
target "gpu" {
  inherits  = ["shared"]
  platforms = ["linux/amd64"]
  target    = "gpu"
  tags      = ["${IMAGE}:${TAG}-gpu"]
}
target "service" {
  name     = name
  inherits = ["shared"]
  matrix   = { name = ["classification", "detection", "segmentation", "faces", "recognition", "imaging", "web"] }
  target   = name
  tags     = ["${IMAGE}:${TAG}-${name}"]
}
