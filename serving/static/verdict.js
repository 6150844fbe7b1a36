// What the spread of the samples means, in words.
//
// The measure is the longer half-axis of the 95% ellipse of the midpoints, as a share of the
// photo's shorter side. Of 42 labelled bites in photos of two feeding robots half are shorter than
// 11% of that side and narrower than 9%. Up to 3% the midpoints mostly stay on such a piece, above
// 8% they may lie on its neighbour. No experiment has calibrated the two limits.

export const AGREE = 0.03;
export const DIFFER = 0.08;
// Above this circular standard deviation the direction is worth a word.
const DIRECTION_DEGREES = 15;
const CAVEAT = "Not calibrated: samples that agree can be wrong together.";

// {level: "good" | "fair" | "poor", title, text}, or null if nothing is known. `askHuman` is the
// server's own verdict and `uncertainty` what it rests on; they go before ours, and are null where
// nobody has calibrated the checkpoint. `ellipse` is null without samples.
export function verdict({
  ellipse, size, samples, directionSpread, askHuman, uncertainty, trained,
}) {
  const facts = ellipse ? spread(ellipse, size, samples, directionSpread) : [];
  if (uncertainty) facts.unshift(...calibrated(uncertainty));
  if (trained === false) facts.unshift("The model was not trained on this action and food.");
  const text = facts.join(" ");
  if (askHuman === true) {
    return {level: "poor", title: "The server says: ask a person", text};
  }
  if (askHuman === false) {
    return {level: "good", title: "The server says: go ahead", text};
  }
  return ellipse && {...own(share(ellipse, size)), text: `${text} ${CAVEAT}`};
}

function spread(ellipse, size, samples, directionSpread) {
  const facts = [
    `95% of the midpoints of ${samples} samples are expected within ` +
      `${(100 * share(ellipse, size)).toFixed(1)}% of the photo's shorter side ` +
      `(${ellipse.rx.toFixed(1)} pixels).`,
    `The direction varies by ±${Math.round(directionSpread)}°.`,
  ];
  if (directionSpread > DIRECTION_DEGREES) facts.push("Check the direction.");
  return facts;
}

// On photos unlike those of the calibration neither chance holds, and the page cannot know which
// these are.
function calibrated(known) {
  const {score, threshold, error_limit, angle_limit, expected_error_rate, coverage} = known;
  const limit = threshold === null ? "it never asks" : `it asks above ${threshold.toFixed(3)}`;
  const angle = angle_limit == null ? "" : ` or, of elongated food, by more than ${angle_limit}°`;
  const half = known.half_angle_degrees;
  const direction = half == null ? "" : ` and ±${Math.round(half)}° the direction`;
  const facts = [
    `Its doubt is ${score.toFixed(3)}; ${limit}.`,
    `Of the answers that it did not ask about, ${percent(expected_error_rate)} were off by more ` +
      `than ${percent(error_limit)} of the picture${angle}, and the region holds the true ` +
      `midpoint${direction} in ${percent(coverage)} of cases: on photos like those it was ` +
      "calibrated on.",
  ];
  if (known.two_places) facts.push("Another place, such as an equal piece, is nearly as likely.");
  return facts;
}

function share(ellipse, size) {
  return ellipse.rx / Math.min(size.width, size.height);
}

function percent(part) {
  return `${Number((100 * part).toFixed(1))}%`;
}

function own(part) {
  if (part <= AGREE) return {level: "good", title: "The samples agree"};
  if (part <= DIFFER) return {level: "fair", title: "The samples differ: look before moving"};
  return {level: "poor", title: "The samples disagree: ask a person"};
}
