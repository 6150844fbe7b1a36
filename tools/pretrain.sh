#!/bin/sh
# Makes pretrained/lite, the checkpoint that ships: draws plates and composites, trains configs/lite.gin on ImageNet's
# weights, measures. `make pretrain PHOTOS=folder` calls it. Everything else is written to pretrain_output/ (11 GB).
# It trains in three courses, each on other plates: the second one has more pieces of the same food and more distractors,
# the third one foods that are taken for each other, in brighter light.
#   PHOTOS       folder with real_food/ and grocery_store/ (docs/data_sources.md); those of the test are never read here
#   NUM_PLATES, NUM_EPOCHS   of each course; unless set, those of the checkpoint that ships
set -eu
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-.venv/bin/python}
WORK=${WORK:-pretrain_output}
RESULT=${RESULT:-pretrained/lite}

step() { echo; echo "== $*"; }

if [ ! -d "${PHOTOS:-}" ]; then
    echo "pretrain: expected PHOTOS to be the folder with the training photographs, got '${PHOTOS:-}'." >&2
    exit 2
fi
mkdir -p "$WORK"
step "1/6 ImageNet's weights of EfficientNet-Lite0"
"$PYTHON" tools/fetch_weights.py lite0

draw() { # course, seed, plates, shares of long food, of equal pieces, of distractors, of foods that are alike
    # An interrupted run is gone on with, so the plates are drawn only once.
    [ ! -s "$WORK/plates_$1_split.npz" ] || return 0
    "$PYTHON" build_dataset.py synthetic --num_plates "$3" --samples_per_plate 2 --max_foods 6 --view mixed \
        --more_foods --composite_share 0.35 --crop_share 0.06 --long_share "$4" --equal_share "$5" \
        --distractor_share "$6" --alike_share "$7" \
        --annotations "$PHOTOS/real_food/roboflow_food_ingredients/annotations.json" \
        "$PHOTOS/real_food/feeding_web_interface/annotations.json" \
        --fruit_tables "$PHOTOS/grocery_store/table.csv" --label_map configs/real_food_label_map.json \
        --no_cutouts sausage --seed "$2" --validation_fraction 0.025 --output_file "$WORK/plates_$1.npz" --overwrite
}

learn() { # course, directory, more flags
    course=$1 directory=$2
    shift 2
    "$PYTHON" train.py --config_file configs/lite.gin --dataset_file "$WORK/plates_$course.npz" \
        --split_file "$WORK/plates_${course}_split.npz" --checkpoint_dir "$directory" --resume_checkpoint auto \
        --batch_size 32 --num_epochs "${NUM_EPOCHS:-5}" --schedule cosine --warmup_steps 300 --seed "$course" "$@"
}

step "2/6 First course: drawing plates, a third of them with food cut out of photographs; training"
draw 1 1000 "${NUM_PLATES:-15000}" 0.15 0.08 0.15 0
learn 1 "$WORK/first"

step "3/6 Second course"
draw 2 1001 "${NUM_PLATES:-20000}" 0.12 0.25 0.2 0
learn 2 "$WORK/second" --pretrained_checkpoint "$WORK/first" --learning_rate 8e-4

step "4/6 Third course"
draw 3 1002 "${NUM_PLATES:-8000}" 0.10 0.3 0.2 0.4
# Without a shift the labelled one of several equal pieces stays the one nearest to the middle.
NUM_EPOCHS=${NUM_EPOCHS:-4} learn 3 "$WORK/run" --pretrained_checkpoint "$WORK/second" --learning_rate 6e-4 --warmup_steps 100 \
    --gin_bindings Augmentation.shift=0.0 Augmentation.brightness=0.45 Augmentation.contrast=0.35

step "5/6 Testing it on plates that it has not seen, and calibrating on others when to ask a person"
for view in arm any; do
    "$PYTHON" build_dataset.py synthetic --num_plates 700 --max_foods 6 --view "$view" --seed 2000 \
        --validation_fraction 0 --output_file "$WORK/test_$view.npz" --overwrite
    "$PYTHON" evaluate.py --checkpoint_dir "$WORK/run" --dataset_file "$WORK/test_$view.npz" --split all \
        --output_file "$WORK/test_$view.json"
done

"$PYTHON" build_dataset.py synthetic --num_plates 600 --max_foods 6 --view mixed --more_foods --equal_share 0.2 \
    --distractor_share 0.2 --seed 3000 --validation_fraction 0 --output_file "$WORK/calibration.npz" --overwrite

step "6/6 Copying what serving and fine-tuning need to $RESULT"
rm -rf "$RESULT.new"
mkdir -p "$RESULT.new"
checkpoint=$("$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))["checkpoint"])' "$WORK/run/metadata.json")
cp "$WORK/run/$checkpoint".* "$WORK/run/metadata.json" "$WORK/run/config.gin" "$WORK/run/loss_log.csv" "$RESULT.new/"
cp -R "$WORK/run/embeddings" "$RESULT.new/"
"$PYTHON" calibrate.py --checkpoint_dir "$RESULT.new" --dataset_file "$WORK/calibration.npz" --split all
cp "$WORK/test_arm.json" "$WORK/test_any.json" "$RESULT.new/"
if [ -f "$RESULT/README.md" ]; then cp "$RESULT/README.md" "$RESULT.new/"; fi
rm -rf "$RESULT"
mv "$RESULT.new" "$RESULT"
echo "$RESULT: $checkpoint"
