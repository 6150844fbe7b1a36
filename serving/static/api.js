// Requests to the server, and what went wrong with them in words.

const KEY_NAME = "api_key";
const TIMEOUT_MS = 60000;

export class ApiError extends Error {
  // status: of HTTP; null if there was no answer. retryAfterS: when to try again, or null.
  constructor(message, {status = null, requestId = null, retryAfterS = null} = {}) {
    super(message);
    this.status = status;
    this.requestId = requestId;
    this.retryAfterS = retryAfterS;
  }
}

// The key lives in this tab's session storage and nowhere else.
export function apiKey() {
  return sessionStorage.getItem(KEY_NAME) ?? "";
}

export function setApiKey(key) {
  if (key) sessionStorage.setItem(KEY_NAME, key);
  else sessionStorage.removeItem(KEY_NAME);
}

export function getJson(route) {
  return send(route, {method: "GET"});
}

export function postJson(route, body) {
  const headers = {"Content-Type": "application/json"};
  return send(route, {method: "POST", headers, body: JSON.stringify(body)});
}

// Sends fields and files as a form; empty fields are left out.
export function postForm(route, fields, signal) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== "" && value !== null) body.append(name, value);
  }
  return send(route, {method: "POST", body}, signal);
}

async function send(route, options, signal) {
  const own = new AbortController();
  const stop = () => own.abort();
  const timer = setTimeout(stop, TIMEOUT_MS);
  signal?.addEventListener("abort", stop);
  try {
    const headers = {...options.headers, ...keyHeader()};
    const response = await fetch(route, {...options, headers, signal: own.signal});
    return await content(response);
  } catch (error) {
    // A caller that gave up knows it by its own signal.
    if (error instanceof ApiError || signal?.aborted) throw error;
    if (own.signal.aborted) throw new ApiError(`No answer within ${TIMEOUT_MS / 1000} s.`);
    throw new ApiError("The server cannot be reached. Is it running, and is this computer online?");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

function keyHeader() {
  const key = apiKey();
  if (!key) return {};
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new ApiError("An API key has letters, digits and signs without spaces; this one does not.", {
      status: 401,
    });
  }
  return {"X-API-Key": key};
}

async function content(response) {
  let body = null;
  try {
    body = await response.json();
  } catch (error) {
    // Something between page and server answers in its own way; the status says enough.
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (response.ok && body !== null) return body;
  const retryAfterS = Number.parseInt(response.headers.get("Retry-After"), 10);
  throw new ApiError(body?.error ?? `The server answered with status ${response.status}.`, {
    status: response.status,
    requestId: body?.request_id ?? response.headers.get("X-Request-ID"),
    retryAfterS: Number.isFinite(retryAfterS) ? retryAfterS : null,
  });
}
