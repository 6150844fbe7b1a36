// Saving what a person made of the arrow, by POST /corrections.

import * as api from "./api.js";
import {toFields} from "./geometry.js";

const NAME = "corrected_by";
const OFF = "This server records nothing. Start it with --record_dir to keep corrections.";
const find = (id) => document.getElementById(id);

export class Correction {
  // onUndo() takes the arrow back to the server's answer.
  constructor(onUndo) {
    this.recording = false;
    this.clear();
    find("corrected-by").value = sessionStorage.getItem(NAME) ?? "";
    find("corrected-by").addEventListener("change", (event) => {
      sessionStorage.setItem(NAME, event.target.value.trim());
    });
    find("save").addEventListener("click", () => this.save());
    find("undo").addEventListener("click", onUndo);
  }

  // recording: whether the server keeps corrections.
  setRecording(recording) {
    this.recording = recording;
    this.update("");
  }

  clear() {
    this.answer = this.motion = null;
    find("correction").hidden = true;
  }

  // answer: of POST /predict; motion: in pixels, or null where nothing was changed.
  set(answer, motion) {
    this.answer = answer;
    this.motion = motion;
    find("correction").hidden = false;
    this.update("");
  }

  update(note) {
    find("save").disabled = !this.recording || !this.motion;
    find("undo").disabled = !this.motion;
    find("save-note").dataset.level = "";
    find("save-note").textContent = this.recording ? note : OFF;
  }

  async save() {
    const {answer, motion} = this;
    const size = {width: answer.image_width, height: answer.image_height};
    const name = find("corrected-by").value.trim();
    const body = {request_id: answer.request_id, ...toFields(motion, size)};
    if (name) body.corrected_by = name;
    find("save").disabled = true;
    find("save-note").textContent = "Saving…";
    try {
      await api.postJson("corrections", body);
      this.finish(motion, "good", "Saved. It can be trained on now.");
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      this.finish(motion, "poor", `Not saved: ${error.message}`);
    }
  }

  // The arrow may have moved while the server was busy: then there is something to save again.
  finish(motion, level, text) {
    if (this.motion !== motion) return;
    find("save").disabled = level === "good";
    find("save-note").dataset.level = level;
    find("save-note").textContent = text;
  }
}
