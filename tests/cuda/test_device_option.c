/* --device in a build without CUDA. */
#include "tests/harness.h"

TEST(device_option_without_cuda) {
  struct run run = RUN("profile", "--arch", "resnet20_cifar", "--device", "cuda");
  CHECK(run.exit_code == 1);
  CHECK_STRING(run.err, "backbones: --device cuda: built without CUDA; `make cuda` builds it\n");
  run = RUN("bench", "--arch", "resnet20_cifar", "--device=cuda:bf16");
  CHECK(run.exit_code == 1);
  CHECK_STRING(run.err, "backbones: --device cuda:bf16: built without CUDA; `make cuda` builds it\n");
  run = RUN("classify", "--weights", "evaluate/demo/vit-demo.safetensors", "--device", "gpu", "picture.png");
  CHECK(run.exit_code == 2);
  CHECK_CONTAINS(run.err, "--device gpu: is none of cpu, cpu:bf16, cuda, cuda:tf32, cuda:bf16, auto");
  run = RUN("profile", "--arch", "resnet20_cifar", "--seconds", "0.01", "--device", "auto");
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.out, "FMA peak");
}
