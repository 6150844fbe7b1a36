#!/bin/sh
# Makes pretrained/small, the checkpoint that `make demo` fine-tunes: draws plates, trains the small configuration.
# `make pretrain-small` calls it. Everything else is written to pretrain_output/ (6 GB, may be removed afterwards).
#   NUM_PLATES, NUM_EPOCHS   of the run that made the checkpoint that ships; pretrained/small/README.md has its figures
set -eu
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-.venv/bin/python}
NUM_PLATES=${NUM_PLATES:-20000}
NUM_EPOCHS=${NUM_EPOCHS:-8}
WORK=${WORK:-pretrain_output}
RESULT=${RESULT:-pretrained/small}

step() { echo; echo "== $*"; }

mkdir -p "$WORK"
# An interrupted run is gone on with, so the plates are drawn only once.
if [ ! -s "$WORK/plates_split.npz" ]; then
    step "1/4 Drawing $NUM_PLATES plates"
    "$PYTHON" build_dataset.py synthetic --num_plates "$NUM_PLATES" --samples_per_plate 2 --view mixed --seed 1000 \
        --validation_fraction 0.03 --output_file "$WORK/plates.npz" --overwrite
fi

step "2/4 Training the small configuration for $NUM_EPOCHS epochs"
"$PYTHON" train.py --config_file configs/small.gin --dataset_file "$WORK/plates.npz" \
    --split_file "$WORK/plates_split.npz" --checkpoint_dir "$WORK/run" --resume_checkpoint auto \
    --batch_size 32 --num_epochs "$NUM_EPOCHS" --learning_rate 2e-3 --schedule cosine --warmup_steps 300 --seed 0

step "3/4 Testing it on plates that it has not seen"
for view in arm any; do
    "$PYTHON" build_dataset.py synthetic --num_plates 300 --view "$view" --seed 2000 --validation_fraction 0 \
        --output_file "$WORK/test_$view.npz" --overwrite
    "$PYTHON" evaluate.py --checkpoint_dir "$WORK/run" --dataset_file "$WORK/test_$view.npz" --split all \
        --output_file "$WORK/test_$view.json"
done

step "4/4 Copying what serving and fine-tuning need to $RESULT"
rm -rf "$RESULT.new"
mkdir -p "$RESULT.new"
checkpoint=$("$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))["checkpoint"])' "$WORK/run/metadata.json")
cp "$WORK/run/$checkpoint".* "$WORK/run/metadata.json" "$WORK/run/config.gin" "$WORK/run/loss_log.csv" "$RESULT.new/"
cp -R "$WORK/run/embeddings" "$RESULT.new/"
cp "$WORK/test_arm.json" "$WORK/test_any.json" "$RESULT.new/"
if [ -f "$RESULT/README.md" ]; then cp "$RESULT/README.md" "$RESULT.new/"; fi
rm -rf "$RESULT"
mv "$RESULT.new" "$RESULT"
echo "$RESULT: $checkpoint"
