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

// {level: "good" | "fair" | "poor", title, text}. `askHuman` is the server's own verdict, which
// goes before ours; undefined if it gives none.
export function verdict({ellipse, size, samples, directionSpread, askHuman}) {
  const share = ellipse.rx / Math.min(size.width, size.height);
  const facts = [
    `95% of the midpoints of ${samples} samples are expected within ` +
      `${(100 * share).toFixed(1)}% of the photo's shorter side (${ellipse.rx.toFixed(1)} pixels).`,
    `The direction varies by ±${Math.round(directionSpread)}°.`,
  ];
  if (directionSpread > DIRECTION_DEGREES) facts.push("Check the direction.");
  const text = facts.join(" ");
  if (askHuman === true) {
    return {level: "poor", title: "The server says: ask a person", text};
  }
  if (askHuman === false) {
    return {level: "good", title: "The server says: go ahead", text};
  }
  return {...own(share), text: `${text} ${CAVEAT}`};
}

function own(share) {
  if (share <= AGREE) return {level: "good", title: "The samples agree"};
  if (share <= DIFFER) return {level: "fair", title: "The samples differ: look before moving"};
  return {level: "poor", title: "The samples disagree: ask a person"};
}
