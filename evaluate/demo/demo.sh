#!/bin/sh
# The main job in a minute: draw photos, extract features with a trained and with a random network, probe both.
# usage: demo.sh PROGRAM FOLDER
set -eu
program=$1
folder=$2
here=$(dirname "$0")
trained=$here/resnet8_cifar-demo.safetensors
random="seeded:resnet8_cifar"

# Show the command, also when its output goes to a file.
exec 3>&1
say() {
  printf '\n$ backbones %s\n' "$*" >&3
  "$program" "$@"
}

rm -rf "$folder"
mkdir -p "$folder"
echo "1. A labelled set of pictures, drawn by the program: shapes and textures under changing light."
say demo-data "$folder/photos"

echo
echo "2. A tiny ResNet trained on other drawings."
say inspect "$trained"

echo
echo "3. Features of every picture, with the trained and with a random network of the same form."
for set in train test; do
  say features --weights "$trained" --data "$folder/photos/$set" --out "$folder/trained-$set" --quiet
  say features --weights "$random" --input-size 64 --data "$folder/photos/$set" --out "$folder/random-$set" --quiet
done

echo
echo "4. A linear probe on both: what do the features know?"
say probe --train "$folder/trained-train" --test "$folder/trained-test" --C 0.1,1,10 --json > "$folder/trained.json"
say probe --train "$folder/random-train" --test "$folder/random-test" --C 0.1,1,10 --json > "$folder/random.json"
top1() { sed -n 's/^{"n_test":[0-9]*,"correct":[0-9]*,"top1":\([0-9.]*\).*/\1/p' "$1" | awk '{printf "%.1f %%", 100 * $1}'; }
printf '\n  %-34s %s\n  %-34s %s\n  %-34s %s\n' "guessing among ten classes" "10.0 %" \
  "random network, probed" "$(top1 "$folder/random.json")" "trained network, probed" "$(top1 "$folder/trained.json")"
printf '\nThe pictures are in %s/photos, the features in %s/*/features.npy.\n' "$folder" "$folder"
