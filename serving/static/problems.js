// The box that says what went wrong, and how to go on.

const TITLES = {
  400: "The server did not understand the request",
  401: "The server wants an API key",
  403: "Not allowed",
  404: "The server does not know this",
  409: "Not possible now",
  413: "The photo is too large",
  415: "The server cannot read this kind of file",
  422: "The server cannot use this",
  429: "Too many requests",
  500: "The server failed",
  503: "The server cannot answer now",
  504: "It took too long",
};
const find = (id) => document.getElementById(id);
let countdown = 0;

export function hideProblem() {
  clearInterval(countdown);
  find("error").hidden = true;
}

// error: an ApiError. Counts down where the server says when to try again.
export function showProblem(error) {
  hideProblem();
  const noAnswer = "No answer from the server";
  find("error-title").textContent = error.status ? TITLES[error.status] ?? "Error" : noAnswer;
  find("error-id").textContent = error.requestId ? `Request ${error.requestId}` : "";
  find("error-text").textContent = error.message;
  find("error").hidden = false;
  if (error.retryAfterS) count(error.message, error.retryAfterS);
}

// What is wrong with a photo, before any server has seen it.
export function showPhotoProblem(text) {
  hideProblem();
  find("error-title").textContent = "The photo cannot be used";
  find("error-text").textContent = text;
  find("error-id").textContent = "";
  find("error").hidden = false;
}

function count(message, seconds) {
  let left = seconds;
  const tell = () => {
    const way = left > 0 ? `Try again in ${left} s.` : "Try again now.";
    find("error-text").textContent = `${message} ${way}`;
    if (left <= 0) clearInterval(countdown);
    left -= 1;
  };
  tell();
  countdown = setInterval(tell, 1000);
}
