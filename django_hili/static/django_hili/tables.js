/* Gives every cell of our admin's tables the name of its column, so that a narrow screen can show a row as a list. */
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const roles = { table: "table", thead: "rowgroup", tbody: "rowgroup", tfoot: "rowgroup", tr: "row", td: "cell" };
  for (const table of document.querySelectorAll("#result_list")) {
    const heads = [...table.querySelectorAll("thead th")];
    const names = heads.map((head) => (head.querySelector(".text") ?? head).textContent.trim());
    for (const row of table.querySelectorAll("tbody tr, tfoot tr")) {
      let column = 0;
      for (const cell of row.cells) {
        if (cell.colSpan === 1 && !cell.classList.contains("action-checkbox")) cell.dataset.hiliColumn = names[column];
        column += cell.colSpan;
      }
    }
    /* A row that is laid out as a list would be no row to a screen reader any more. */
    for (const part of [table, ...table.querySelectorAll("thead, tbody, tfoot, tr, td")]) part.setAttribute("role", roles[part.localName]);
    for (const head of heads) head.setAttribute("role", "columnheader");
    for (const head of table.querySelectorAll("tbody th, tfoot th")) head.setAttribute("role", "rowheader");
    table.classList.add("hili-stacks");
  }
});
