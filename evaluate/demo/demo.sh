#!/bin/sh
# The main job in a minute: draw pictures, let five tiny trained backbones compete on them, and write the report.
# usage: demo.sh PROGRAM FOLDER
set -eu
program=$1
folder=$2
here=$(dirname "$0")

say() {
  printf '\n$ backbones %s\n' "$*"
  "$program" "$@"
}

rm -rf "$folder"
mkdir -p "$folder"
echo "1. A labelled set of pictures, drawn by the program: shapes and textures under changing light."
say demo-data "$folder/photos"

echo
echo "2. Five tiny backbones, one a family, trained on other drawings. One of them:"
say inspect "$here/clip-demo.safetensors"

echo
echo "3. The battle: features of every picture, every task on them, and the comparison."
say battle --weights "resnet=$here/resnet8_cifar-demo.safetensors" --weights "convnext=$here/convnext-demo.safetensors" \
  --weights "vit=$here/vit-demo.safetensors" --weights "swin=$here/swin-demo.safetensors" \
  --weights "clip=$here/clip-demo.safetensors" --embeddings "clip=$here/clip-demo-classes.npy" \
  --data "drawings=$folder/photos" --title "Five tiny backbones on drawings" --out "$folder/battle" --quiet

printf '\nLook at %s/battle/report.html; the pictures are in %s/photos.\n' "$folder" "$folder"
