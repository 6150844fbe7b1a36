// Whether the server can be asked, and the API key that it may want.

import * as api from "./api.js";

const RETRY_MS = 5000;
const find = (id) => document.getElementById(id);

export class Connection {
  // onPairs(combinations) is called when the server can be asked; onHealth(health or null) after
  // each look at it.
  constructor(onPairs, onHealth) {
    this.onPairs = onPairs;
    this.onHealth = onHealth;
    this.timer = 0;
    const field = find("api-key");
    field.value = api.apiKey();
    field.addEventListener("change", () => {
      api.setApiKey(field.value.trim());
      this.look();
    });
    // Enter in the key's field means the key, not a prediction.
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      field.blur();
    });
  }

  // Asks the server how it is; again after a while if it cannot be asked anything.
  async look() {
    clearTimeout(this.timer);
    try {
      const health = await api.getJson("health");
      this.onHealth(health);
      if (!health.model_loaded) {
        this.say("poor", "No model is loaded: nothing can be predicted yet");
        this.timer = setTimeout(() => this.look(), RETRY_MS);
        return;
      }
      const {combinations} = await api.getJson("available_combinations");
      const engine = health.engine ? `, ${health.engine}` : "";
      this.say("good", `Model ${health.model_version}${engine}`);
      this.onPairs(combinations);
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      this.fail(error);
    }
  }

  fail(error) {
    this.say("poor", error.status === 401 ? `An API key is needed: ${error.message}` : error.message);
    if (error.status === 401) {
      askForKey();
      return;
    }
    this.onHealth(null);
    const waitMs = 1000 * (error.retryAfterS ?? 0);
    this.timer = setTimeout(() => this.look(), Math.max(RETRY_MS, waitMs));
  }

  say(level, text) {
    find("server-state").dataset.level = level;
    find("server-state").textContent = text;
  }
}

export function askForKey() {
  find("key-box").open = true;
  find("api-key").focus();
}
