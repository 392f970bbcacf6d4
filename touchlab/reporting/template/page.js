// Tables sort by the press of a button in their headers; figures are saved by one below them.
// Without this script a page still reads.
"use strict";
{
  const missing = new Set(["", "-", "–", "—", "nan", "NaN", "NaT", "None", "<NA>", "...", "hidden"]);

  // What a cell is sorted by: "31 to 56" by 31, "1,234 %" by 1234; null where there is nothing.
  const value = (cell, numeric) => {
    const text = (cell.dataset.sort ?? cell.textContent).trim();
    if (missing.has(text)) return null;
    if (!numeric) return text;
    const found = text.replace(/−/g, "-").match(/-?[\d,]*\.?\d+(e[-+]?\d+)?/i);
    return found ? Number(found[0].replace(/,/g, "")) : null;
  };

  const compare = (a, b, way) => {
    if (a === null || b === null) return (a === null) - (b === null); // last, either way
    return way * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
  };

  // Numbers begin with the largest; a second press turns the order, a third brings back the first.
  const order = (table, header, rows) => {
    const numeric = header.classList.contains("num");
    const ways = numeric ? ["descending", "ascending"] : ["ascending", "descending"];
    const next = ways[ways.indexOf(header.getAttribute("aria-sort")) + 1];
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    let sorted = rows;
    if (next) {
      header.setAttribute("aria-sort", next);
      const way = next === "ascending" ? 1 : -1;
      const keyed = rows.map((row) => [value(row.cells[header.cellIndex], numeric), row]);
      sorted = keyed.sort((a, b) => compare(a[0], b[0], way)).map(([, row]) => row);
    }
    table.tBodies[0].append(...sorted);
  };

  const prepare = (table) => {
    const heads = table.tHead ? [...table.tHead.rows] : [];
    const rows = table.tBodies.length === 1 ? [...table.tBodies[0].rows] : [];
    const plain = [...table.querySelectorAll("td, th")].every((c) => c.colSpan === 1 && c.rowSpan === 1);
    if (heads.length !== 1 || rows.length < 2 || !plain || table.querySelector("table")) return;
    if (rows.some((row) => row.cells.length !== heads[0].cells.length)) return;
    for (const header of heads[0].querySelectorAll("th")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => order(table, header, rows));
    }
  };

  document.querySelectorAll(".scroll > table:not(.unsorted)").forEach(prepare);

  // Figures are saved light, as on paper, whatever the screen: documents are white.
  const light = {};
  for (const rule of document.styleSheets[0].cssRules) {
    if (rule.selectorText !== ":root") continue;
    for (const name of rule.style) light[name] = rule.style.getPropertyValue(name).trim();
  }

  const save = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };

  const drawn = (svg) => {
    const copy = svg.cloneNode(true);
    copy.removeAttribute("class");
    copy.setAttribute("font-family", getComputedStyle(document.body).fontFamily);
    const text = new XMLSerializer().serializeToString(copy);
    return text.replace(/var\((--figure-\w+)\)/g, (_, name) => light[name]);
  };

  const kinds = {
    SVG: (svg, name) => save(new Blob([drawn(svg)], { type: "image/svg+xml" }), `${name}.svg`),
    PNG: (svg, name) => {
      const picture = new Image();
      picture.onload = () => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [3 * picture.width, 3 * picture.height];
        canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
        canvas.toBlob((blob) => save(blob, `${name}.png`));
      };
      picture.src = `data:image/svg+xml,${encodeURIComponent(drawn(svg))}`;
    },
  };

  document.querySelectorAll("figure:has(.drawing > svg)").forEach((figure, place) => {
    const line = figure.querySelector(".data") ?? document.createElement("p");
    const name = line.querySelector("a")?.download.replace(/\.csv$/, "") ?? `figure-${place + 1}`;
    line.className = "data";
    for (const [kind, take] of Object.entries(kinds)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = kind;
      button.setAttribute("aria-label", `${kind} of this figure: ${name}`);
      button.addEventListener("click", () => take(figure.querySelector("svg"), name));
      line.append(" ", button);
    }
    figure.append(line);
  });
}
