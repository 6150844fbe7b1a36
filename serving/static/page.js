// The page: a photo and an instruction go in, the motion is drawn, a person may correct it.

import * as api from "./api.js";
import {Connection, askForKey} from "./connection.js";
import {Correction} from "./correction.js";
import * as geometry from "./geometry.js";
import {Instruction} from "./instruction.js";
import {Overlay} from "./overlay.js";
import * as photos from "./photo.js";
import {hideProblem, showPhotoProblem, showProblem} from "./problems.js";
import * as results from "./results.js";
import {AGREE, DIFFER, verdict} from "./verdict.js";

const find = (id) => document.getElementById(id);
const NO_SAMPLES = {
  level: "fair",
  title: "No samples",
  text: "This server has no batch prediction, so nothing is known about the uncertainty.",
};
const percent = (share) => `${Math.round(100 * share)}%`;

const instruction = new Instruction();
const overlay = new Overlay(find("overlay"), () => showMotion());
const correction = new Correction(() => {
  overlay.setMotion(overlay.predicted, overlay.predicted);
  showMotion();
});
const connection = new Connection(
  (pairs) => {
    instruction.setPairs(pairs);
    updateButton();
  },
  (health) => {
    if (health) correction.setRecording(health.recorder === true);
  },
);
let photo = null; // A Blob.
let size = null; // Of the photo, {width, height} in pixels.
let answer = null; // Of POST /predict.
let running = null; // The AbortController of a prediction under way.

find("threshold-agree").textContent = percent(AGREE);
find("threshold-differ").textContent = percent(DIFFER);
find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  predict();
});
document.addEventListener("keydown", (event) => {
  const isFree = event.target === document.body || event.target.closest("#overlay");
  if (event.key === "Enter" && isFree && !find("predict").disabled) predict();
});
photos.watchPhotos({stage: find("stage"), onPhoto: setPhoto, onProblem: showPhotoProblem});
connection.look();

async function setPhoto(chosen) {
  running?.abort();
  hideProblem();
  let shown;
  try {
    shown = await photos.show(chosen, find("photo"));
  } catch (error) {
    showPhotoProblem(error.message);
    return;
  }
  if (shown === null) return;
  [photo, size] = [chosen, shown];
  clearAnswer();
  find("empty").hidden = true;
  find("figure").hidden = false;
  find("figure").style.setProperty("--ratio", size.width / size.height);
  find("photo-facts").textContent = `${size.width} × ${size.height} pixels`;
  updateButton();
  // So that Enter predicts at once.
  if (document.activeElement === document.body) find("predict").focus({preventScroll: true});
}

function clearAnswer() {
  answer = null;
  overlay.clear(size);
  correction.clear();
  results.showVerdict(null);
  find("result").hidden = find("legend").hidden = true;
}

function updateButton() {
  find("predict").disabled = !photo || !instruction.known;
  find("predict").textContent = photo ? "Predict" : "Predict (choose a photo first)";
}

async function predict() {
  running?.abort();
  const mine = (running = new AbortController());
  hideProblem();
  setBusy(true);
  try {
    await ask(mine.signal);
  } catch (error) {
    if (mine.signal.aborted) return;
    if (!(error instanceof api.ApiError)) throw error;
    showProblem(error);
    if (error.status === 401) askForKey();
    if (error.status === 503 || error.status === null) connection.look();
  } finally {
    if (running === mine) setBusy(false);
  }
}

async function ask(signal) {
  const fields = {
    image: await photos.forServer(photo),
    action: instruction.action,
    food_type: instruction.food,
    resize: find("resize").value,
    passes: find("passes").value,
  };
  const started = performance.now();
  answer = await api.postForm("predict", fields, signal);
  const seenMs = performance.now() - started;
  size = {width: answer.image_width, height: answer.image_height};
  overlay.clear(size);
  const motion = geometry.fromFields(answer.prediction_pixels);
  overlay.setMotion(motion, motion);
  overlay.setCrop(answer.crop);
  showMotion();
  results.showLatency(answer.timing_ms, seenMs);
  // On a phone the button is below the photo, and the arrow would appear out of sight.
  if (find("stage").getBoundingClientRect().top < 0) find("stage").scrollIntoView();
  results.showVerdict(null);
  results.showJson({predict: answer});
  const samples = Number(find("samples").value);
  await askForSamples(fields, samples, signal);
}

async function askForSamples(fields, samples, signal) {
  // The server's own verdict does not depend on the samples, so it is asked for without any too.
  const more = {
    batch_size: Math.max(1, samples),
    enable_dropout: samples > 0,
    dropout_scope: find("scope").value,
    seed: find("seed").value,
  };
  let batch;
  try {
    batch = await api.postForm("predict_batch", {...fields, ...more}, signal);
  } catch (error) {
    if (error.status !== 404) throw error;
    results.showVerdict(samples > 0 ? NO_SAMPLES : null); // api_server.py has no such route; the arrow is there all the same.
    return;
  }
  const motions = samples > 0 ? batch.predictions_pixels.map(geometry.fromRow) : [];
  const midpoints = motions.map(geometry.midpoint);
  const ellipse = geometry.ellipse95(midpoints);
  overlay.setSamples(midpoints, ellipse);
  overlay.setRegion(batch.uncertainty?.region_pixels ?? null);
  results.showJson({predict: answer, predict_batch: batch});
  showLegend();
  const found = {
    ellipse,
    size,
    samples: motions.length,
    directionSpread: geometry.directionSpread(motions),
    askHuman: batch.ask_human,
    trained: batch.trained,
    uncertainty: batch.uncertainty,
  };
  results.showVerdict(verdict(found));
}

// After an answer and after each move of the arrow.
function showMotion() {
  const corrected = overlay.motion !== overlay.predicted;
  results.showMotion(answer, overlay.motion, size, corrected);
  correction.set(answer, corrected ? overlay.motion : null);
  showLegend();
}

function showLegend() {
  const corrected = overlay.motion !== overlay.predicted;
  results.showLegend({
    samples: overlay.samples.length > 0,
    region: overlay.region !== null,
    crop: overlay.crop !== null,
    correction: corrected,
  });
}

function setBusy(busy) {
  find("stage").setAttribute("aria-busy", busy);
  find("predict").classList.toggle("busy", busy);
}
