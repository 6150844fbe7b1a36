// Motions and points, pure functions. A point is {x, y}, a motion {start, end}; in pixels of the
// photo, origin top left, x to the right, y down.

// The 95% quantile of the chi-square distribution with two degrees of freedom.
export const CHI_SQUARE_95 = 5.991;

export function midpoint({start, end}) {
  return {x: (start.x + end.x) / 2, y: (start.y + end.y) / 2};
}

// Degrees of atan2: 0 is to the right, 90 is down.
export function direction({start, end}) {
  return degrees(Math.atan2(end.y - start.y, end.x - start.x));
}

export function fromFields(fields) {
  return {
    start: {x: fields.start_x, y: fields.start_y},
    end: {x: fields.end_x, y: fields.end_y},
  };
}

export function fromRow([x1, y1, x2, y2]) {
  return {start: {x: x1, y: y1}, end: {x: x2, y: y2}};
}

// The fields of the HTTP interface in 0..1, of a motion in pixels of a photo {width, height}.
export function toFields({start, end}, {width, height}) {
  return {
    start_x: start.x / width,
    start_y: start.y / height,
    end_x: end.x / width,
    end_y: end.y / height,
  };
}

// Where 95% of a normal distribution with the mean and covariance of the points lie:
// {x, y, rx, ry, angle}, rx >= ry, angle of rx in degrees; null for fewer than three points.
// (0, 0), (2, 0), (0, 2), (2, 2) have the variance 4/3 both ways: rx = ry = sqrt(5.991 * 4/3).
export function ellipse95(points) {
  if (points.length < 3) return null;
  const x = mean(points.map((point) => point.x));
  const y = mean(points.map((point) => point.y));
  const scale = points.length / (points.length - 1);
  const xx = scale * mean(points.map((point) => (point.x - x) ** 2));
  const yy = scale * mean(points.map((point) => (point.y - y) ** 2));
  const xy = scale * mean(points.map((point) => (point.x - x) * (point.y - y)));
  const middle = (xx + yy) / 2;
  const half = Math.hypot((xx - yy) / 2, xy);
  return {
    x,
    y,
    rx: Math.sqrt(CHI_SQUARE_95 * (middle + half)),
    // Rounding may leave a tiny negative variance where all points lie on a line.
    ry: Math.sqrt(CHI_SQUARE_95 * Math.max(0, middle - half)),
    angle: degrees(Math.atan2(2 * xy, xx - yy) / 2),
  };
}

// The circular standard deviation of the directions, degrees; 0 if all are equal.
export function directionSpread(motions) {
  const angles = motions.map(({start, end}) => Math.atan2(end.y - start.y, end.x - start.x));
  const length = Math.hypot(mean(angles.map(Math.cos)), mean(angles.map(Math.sin)));
  // Directions that cancel out have no mean; the limit keeps the figure finite.
  return degrees(Math.sqrt(-2 * Math.log(Math.min(1, Math.max(length, 1e-9)))));
}

// The corners of an arrow head whose tip is at the end of the motion.
export function arrowHead(motion, size) {
  const angle = Math.atan2(motion.end.y - motion.start.y, motion.end.x - motion.start.x);
  const corner = (turn) => ({
    x: motion.end.x + size * Math.cos(angle + turn),
    y: motion.end.y + size * Math.sin(angle + turn),
  });
  return [motion.end, corner((155 / 180) * Math.PI), corner((205 / 180) * Math.PI)];
}

// Moves "start", "end" or "middle" (both ends) by {x, y}, and keeps both ends in the photo.
export function moved(motion, part, by, size) {
  const first = part === "end" ? {x: 0, y: 0} : by;
  const second = part === "start" ? {x: 0, y: 0} : by;
  if (part !== "middle") {
    return {
      start: inside(shifted(motion.start, first), size),
      end: inside(shifted(motion.end, second), size),
    };
  }
  // Both ends stop together, so that the motion keeps its length and direction.
  const allowed = {
    x: limited(by.x, motion.start.x, motion.end.x, size.width),
    y: limited(by.y, motion.start.y, motion.end.y, size.height),
  };
  return {start: shifted(motion.start, allowed), end: shifted(motion.end, allowed)};
}

function shifted(point, by) {
  return {x: point.x + by.x, y: point.y + by.y};
}

function inside(point, {width, height}) {
  return {
    x: Math.min(Math.max(point.x, 0), width),
    y: Math.min(Math.max(point.y, 0), height),
  };
}

function limited(by, first, second, length) {
  return Math.min(Math.max(by, -Math.min(first, second)), length - Math.max(first, second));
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function degrees(radians) {
  return (radians / Math.PI) * 180;
}
