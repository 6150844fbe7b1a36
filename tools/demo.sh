#!/bin/sh
# From nothing to an answer: ask the model that ships about photographs; draw plates, fine-tune it on them, measure it,
# calibrate it, serve it, ask it.
# `make demo` calls it. PYTHON names the interpreter; everything is written to demo_output/.
# Usage: tools/demo.sh [NUM_EPOCHS]
set -eu
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-.venv/bin/python}
NUM_EPOCHS=${1:-2}
OUTPUT=demo_output
START_LIMIT_S=600  # on a machine that has much else to do
server_pid=""

stop_server() {
    if [ -n "$server_pid" ] && kill -0 "$server_pid" 2>/dev/null; then
        kill "$server_pid"
        wait "$server_pid" || true
    fi
    server_pid=""
}
# Whatever ends the script, the server ends with it; the exit code stays that of the failing step.
trap 'code=$?; stop_server; [ "$code" -eq 0 ] || echo "The demo failed (exit code $code)." >&2; exit "$code"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() { echo; echo "== $*"; }

rm -rf "$OUTPUT"
mkdir -p "$OUTPUT"

step "1/7 Asking the model that ships about twelve photographs (examples/photos)"
"$PYTHON" evaluate.py --checkpoint_dir pretrained/lite --annotations examples/photos/annotations.json \
    --label_map configs/real_food_label_map.json --action skewering --output_file "$OUTPUT/photos/metrics.json" \
    --report_dir "$OUTPUT/photos"

step "2/7 Drawing plates"
"$PYTHON" build_dataset.py synthetic --num_plates 700 --max_foods 3 --view arm --seed 0 --validation_fraction 0.2 \
    --output_file "$OUTPUT/plates.npz" --preview_file "$OUTPUT/plates.jpg"
# Of another seed, for the measurement only: the validation split of the others chooses the checkpoint.
"$PYTHON" build_dataset.py synthetic --num_plates 240 --max_foods 3 --view arm --seed 1 --validation_fraction 0 \
    --output_file "$OUTPUT/test_plates.npz"

step "3/7 Fine-tuning it on them for $NUM_EPOCHS epochs"
"$PYTHON" train.py --config_file configs/lite.gin --dataset_file "$OUTPUT/plates.npz" \
    --split_file "$OUTPUT/plates_split.npz" --pretrained_checkpoint pretrained/lite --checkpoint_dir "$OUTPUT/checkpoints" \
    --batch_size 32 --num_epochs "$NUM_EPOCHS" --learning_rate 2e-4 --schedule cosine

step "4/7 Measuring it on the plates that chose the checkpoint; calibrating on half of them when to ask a person"
"$PYTHON" evaluate.py --checkpoint_dir "$OUTPUT/checkpoints" --dataset_file "$OUTPUT/plates.npz" \
    --split_file "$OUTPUT/plates_split.npz" --output_file "$OUTPUT/validation_metrics.json"
"$PYTHON" calibrate.py --checkpoint_dir "$OUTPUT/checkpoints" --dataset_file "$OUTPUT/plates.npz" \
    --split_file "$OUTPUT/plates_split.npz"

step "5/7 Measuring both on plates that it has not seen at all"
"$PYTHON" evaluate.py --checkpoint_dir "$OUTPUT/checkpoints" --dataset_file "$OUTPUT/test_plates.npz" --split all \
    --train_dataset_file "$OUTPUT/plates.npz" --output_file "$OUTPUT/metrics.json" --report_dir "$OUTPUT/report"

step "6/7 Starting the server (its log: $OUTPUT/server.log)"
"$PYTHON" api_batch_server.py --checkpoint_dir "$OUTPUT/checkpoints" --port 0 \
    --port_file "$OUTPUT/server.port" >"$OUTPUT/server.log" 2>&1 &
server_pid=$!
waited_s=0
while [ ! -s "$OUTPUT/server.port" ]; do
    if ! kill -0 "$server_pid" 2>/dev/null || [ "$waited_s" -ge "$START_LIMIT_S" ]; then
        echo "The server did not come up within $START_LIMIT_S s; the end of its log:" >&2
        tail -n 20 "$OUTPUT/server.log" >&2
        exit 1
    fi
    sleep 1
    waited_s=$((waited_s + 1))
done

step "7/7 Asking the server about a photograph"
"$PYTHON" api_client.py --api_url "http://127.0.0.1:$(cat "$OUTPUT/server.port")" \
    --image examples/photos/images/det_image12.jpg --action skewering --food_type banana --save_picture "$OUTPUT/answer.png"
stop_server

step "Done. Results:"
echo "  photographs, answered $OUTPUT/photos/report.html, $OUTPUT/photos/metrics.json"
echo "  data set and split   $OUTPUT/plates.npz, $OUTPUT/plates_split.npz; for the test: $OUTPUT/test_plates.npz"
echo "  some of its plates   $OUTPUT/plates.jpg"
echo "  best checkpoint      $OUTPUT/checkpoints; there too: loss_log.csv, training_curves.png, predictions_latest.png"
echo "  its errors           $OUTPUT/metrics.json; with its doubts and pictures: $OUTPUT/report/report.html"
echo "  when to ask a person $OUTPUT/checkpoints/uncertainty.json"
echo "  the answer, drawn    $OUTPUT/answer.png"
echo "  the server's log     $OUTPUT/server.log"
