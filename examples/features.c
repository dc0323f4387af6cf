/* Features of one photo through the C API.
 *
 *     cc features.c -o features $(pkg-config --cflags --libs backbones)
 *     ./features resnet50.safetensors photo.jpg */
#include <backbones.h>
#include <stdio.h>
#include <stdlib.h>

static void *read_whole(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  void *bytes = NULL;
  if (!fseek(file, 0, SEEK_END)) {
    long length = ftell(file);
    rewind(file);
    bytes = length > 0 ? malloc((size_t)length) : NULL;
    *size = bytes ? fread(bytes, 1, (size_t)length, file) : 0;
  }
  fclose(file);
  return bytes;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: features WEIGHTS IMAGE\n");
    return 2;
  }
  struct backbones_error error = {""};
  backbones *model = backbones_load(argv[1], NULL, &error);
  if (!model) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  struct backbones_info info = backbones_describe(model);
  fprintf(stderr, "%s, %lld parameters, %.2f GFLOPs, %d features\n", info.arch, (long long)info.parameters, info.gflops,
          info.features);

  size_t size = 0;
  void *bytes = read_whole(argv[2], &size);
  struct backbones_image image = {0};
  float *features = malloc((size_t)info.features * sizeof *features);
  int status = bytes && features ? backbones_image_decode(bytes, size, &image, &error) : BACKBONES_FAILED;
  if (status == BACKBONES_OK) status = backbones_features(model, &image, 1, features, &error);
  if (status == BACKBONES_OK) {
    for (int i = 0; i < info.features; i++) printf("%.9g\n", (double)features[i]);
  } else {
    fprintf(stderr, "%s: %s\n", argv[2], bytes ? error.message : "cannot be read");
  }
  backbones_image_free(&image);
  free(features);
  free(bytes);
  backbones_free(model);
  return status;
}
