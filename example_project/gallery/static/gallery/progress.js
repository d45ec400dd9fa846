/* Keeps the page of a photo that is being enhanced up to date, and shows the result once it is there. */
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const box = document.querySelector("[data-progress]");
  if (!box) return;
  const bar = box.querySelector("progress");
  const say = (selector, text) => {
    const line = box.querySelector(selector);
    // Unchanged text is not written again: a screen reader would read it again.
    if (line.textContent !== text) line.textContent = text;
  };
  const look = async () => {
    let wait = 1000;
    try {
      const answer = await fetch(box.dataset.progress, { headers: { Accept: "application/json" } });
      if (answer.redirected || answer.status === 404) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      const now = await answer.json();
      if (!now.is_moving) return location.reload();
      say("[data-text]", now.text);
      say("[data-detail]", now.detail);
      if (now.percent === null) bar.removeAttribute("value");
      else bar.value = now.percent;
    } catch {
      wait = 5000;
    }
    setTimeout(look, document.hidden ? 5000 : wait);
  };
  setTimeout(look, 700);
});
