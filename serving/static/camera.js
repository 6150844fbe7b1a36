// A dialog with the camera's live picture.

// Gives the picture as a JPEG, or null if the dialog was closed without one. Throws what the
// browser says if there is no camera or its use is not allowed.
export async function takePicture() {
  const find = (id) => document.getElementById(id);
  const stream = await navigator.mediaDevices.getUserMedia({
    video: {facingMode: "environment", width: {ideal: 1280}},
  });
  const video = find("video");
  const dialog = find("camera");
  video.srcObject = stream;
  dialog.showModal();
  try {
    return await new Promise((resolve) => {
      find("take").onclick = async () => resolve(await still(video));
      find("close-camera").onclick = () => resolve(null);
      dialog.oncancel = () => resolve(null);
    });
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    dialog.close();
  }
}

async function still(video) {
  // Whoever is quick presses before the first frame is there.
  if (!video.videoWidth) {
    await new Promise((resolve) => video.addEventListener("loadeddata", resolve, {once: true}));
  }
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
}
