/* Makes every [data-hili-compare] a slider. The range input is the control, so mouse, touch and keyboard all work. */
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("[data-hili-compare]")) {
    const range = box.querySelector("input[type=range]");
    const show = () => box.style.setProperty("--hili-split", `${range.value}%`);
    range.hidden = false;
    box.classList.add("hili-compare-live");
    range.addEventListener("input", show);
    show();
  }
});
