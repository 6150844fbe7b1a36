// Where photos come from: a chosen file, a dropped or pasted one, the camera.

import {takePicture} from "./camera.js";

// What the server reads. Anything else that the browser can show is turned into a JPEG.
const SERVER_TYPES = ["image/jpeg", "image/png", "image/webp", "image/bmp", "image/tiff"];

// onPhoto(blob) gets each photo, onProblem(text) what is wrong with something else.
export function watchPhotos({stage, onPhoto, onProblem}) {
  const find = (id) => document.getElementById(id);
  const take = (files) => {
    const picture = [...files].find((file) => file.type.startsWith("image/"));
    if (picture) onPhoto(picture);
    else onProblem("Expected a picture, got something else. Use a JPEG, PNG, WebP or BMP file.");
  };
  for (const id of ["file-input", "camera-input"]) {
    find(id).addEventListener("change", (event) => {
      if (event.target.files.length) take(event.target.files);
      event.target.value = ""; // The same file again is a change too.
    });
  }
  find("choose-photo").addEventListener("click", () => find("file-input").click());
  find("open-camera").addEventListener("click", () => camera(find, onPhoto, onProblem));
  watchDrops(stage, take);
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) take(event.clipboardData.files);
  });
}

function watchDrops(stage, take) {
  // On the whole page, or the browser would open a picture that is dropped beside the stage.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    stage.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) stage.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("dropping");
    take(event.dataTransfer.files);
  });
}

async function camera(find, onPhoto, onProblem) {
  // Phones have a better camera program of their own; browsers give the camera to pages that came
  // over https or from this computer only.
  const isPhone = matchMedia("(pointer: coarse)").matches;
  if (isPhone || !navigator.mediaDevices?.getUserMedia) {
    find("camera-input").click();
    return;
  }
  try {
    const picture = await takePicture();
    if (picture) onPhoto(picture);
  } catch (error) {
    onProblem(`The camera cannot be used: ${error.message}. Choose a file instead.`);
  }
}

// Shows a photo in an <img>. Gives its size in pixels, upright, or null if another photo came
// meanwhile; throws if it cannot be shown, and what was shown before stays.
export async function show(photo, image) {
  const address = URL.createObjectURL(photo);
  const before = image.src;
  try {
    image.src = address;
    await image.decode();
  } catch {
    URL.revokeObjectURL(address);
    if (image.src !== address) return null;
    if (before) image.src = before;
    else image.removeAttribute("src");
    const kind = photo.type || "of an unknown kind";
    throw new Error(`This browser cannot show the file (${kind}). Save it as JPEG or PNG.`);
  }
  if (before.startsWith("blob:")) URL.revokeObjectURL(before);
  return {width: image.naturalWidth, height: image.naturalHeight};
}

// The photo in a format that the server reads.
export async function forServer(photo) {
  if (SERVER_TYPES.includes(photo.type)) return photo;
  const pixels = await createImageBitmap(photo);
  const canvas = document.createElement("canvas");
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // As the server does with transparency.
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(pixels, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
}
