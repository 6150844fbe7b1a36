#!/bin/sh
# Makes pretrained/lite, the checkpoint that ships: draws plates and composites, trains configs/lite.gin on ImageNet's
# weights, measures. `make pretrain PHOTOS=folder` calls it. Everything else is written to pretrain_output/ (8 GB).
#   PHOTOS       folder with real_food/ and grocery_store/ (docs/data_sources.md); those of the test are never read here
#   NUM_PLATES, NUM_EPOCHS   of the run that made the checkpoint that ships; pretrained/lite/README.md has its figures
set -eu
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-.venv/bin/python}
NUM_PLATES=${NUM_PLATES:-15000}
NUM_EPOCHS=${NUM_EPOCHS:-5}
WORK=${WORK:-pretrain_output}
RESULT=${RESULT:-pretrained/lite}

step() { echo; echo "== $*"; }

if [ ! -d "${PHOTOS:-}" ]; then
    echo "pretrain: expected PHOTOS to be the folder with the training photographs, got '${PHOTOS:-}'." >&2
    exit 2
fi
mkdir -p "$WORK"
step "1/5 ImageNet's weights of EfficientNet-Lite0"
"$PYTHON" tools/fetch_weights.py lite0

# An interrupted run is gone on with, so the plates are drawn only once.
if [ ! -s "$WORK/plates_split.npz" ]; then
    step "2/5 Drawing $NUM_PLATES plates, a third of them with food cut out of photographs"
    "$PYTHON" build_dataset.py synthetic --num_plates "$NUM_PLATES" --samples_per_plate 2 --max_foods 6 --view mixed \
        --more_foods --composite_share 0.35 --crop_share 0.06 --long_share 0.15 --equal_share 0.08 --distractor_share 0.15 \
        --annotations "$PHOTOS/real_food/roboflow_food_ingredients/annotations.json" \
        "$PHOTOS/real_food/feeding_web_interface/annotations.json" \
        --fruit_tables "$PHOTOS/grocery_store/table.csv" --label_map configs/real_food_label_map.json \
        --no_cutouts sausage --seed 1000 --validation_fraction 0.03 --output_file "$WORK/plates.npz" --overwrite
fi

step "3/5 Training configs/lite.gin for $NUM_EPOCHS epochs"
"$PYTHON" train.py --config_file configs/lite.gin --dataset_file "$WORK/plates.npz" \
    --split_file "$WORK/plates_split.npz" --checkpoint_dir "$WORK/run" --resume_checkpoint auto \
    --batch_size 32 --num_epochs "$NUM_EPOCHS" --schedule cosine --warmup_steps 300 --seed 0

step "4/5 Testing it on plates that it has not seen"
for view in arm any; do
    "$PYTHON" build_dataset.py synthetic --num_plates 600 --max_foods 6 --view "$view" --seed 2000 \
        --validation_fraction 0 --output_file "$WORK/test_$view.npz" --overwrite
    "$PYTHON" evaluate.py --checkpoint_dir "$WORK/run" --dataset_file "$WORK/test_$view.npz" --split all \
        --output_file "$WORK/test_$view.json"
done

step "5/5 Copying what serving and fine-tuning need to $RESULT"
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
