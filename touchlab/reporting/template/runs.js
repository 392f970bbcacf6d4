// The index of runs: filters, and what moved between any two of them.
"use strict";
{
  const filters = document.getElementById("filters");
  if (filters) {
    const rows = [...document.querySelectorAll("table.runs > tbody > tr")];
    const wanted = (name) => filters.elements[name].value.trim().toLowerCase();
    const filter = () => {
      const [state, data, words] = ["state", "data", "words"].map(wanted);
      for (const row of rows) {
        const is = (name, value) => !value || row.dataset[name].toLowerCase() === value;
        const text = row.textContent.toLowerCase();
        row.hidden = !(is("state", state) && is("data", data) && text.includes(words));
      }
      const shown = rows.filter((row) => !row.hidden).length;
      document.getElementById("filtered").value = shown < rows.length ? `${shown} of ${rows.length}` : "";
    };
    filters.addEventListener("input", filter);
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.hidden = false;
    filter(); // a browser may have kept what was chosen
  }

  // An estimate is: row, table, all of it in words, value, low, high. As `changes` in overview.py.
  const compare = (before, after) => {
    const name = ([row, title]) => JSON.stringify([row, title]);
    const now = new Map(after.rows.map((estimate) => [name(estimate), estimate]));
    const changes = before.rows.flatMap((a) => {
      const b = now.get(name(a));
      if (!b || a[3] === b[3]) return [];
      const moved = Math.abs(b[3] - a[3]);
      const reach = Math.hypot(b[5] - b[4], a[5] - a[4]) / 2;
      const far = reach > 0 ? moved / reach : -1;
      return [{ row: a[0], title: a[1], before: a[2], after: b[2], beyond: moved > reach, far }];
    });
    return changes.sort((x, y) => y.beyond - x.beyond || y.far - x.far);
  };

  const form = document.getElementById("compared");
  if (form) {
    const runs = JSON.parse(document.getElementById("estimates").textContent);
    const others = Number(form.dataset.others);
    const cell = (kind, text, dress) => {
      const made = document.createElement(kind);
      made.textContent = text;
      if (dress) made.className = dress;
      if (kind === "th") made.scope = "row";
      return made;
    };
    const line = (change) => {
      const row = document.createElement("tr");
      row.append(cell("th", change.row), cell("td", change.title));
      row.append(cell("td", change.before, "num"), cell("td", change.after, "num"));
      row.append(cell("td", change.beyond ? "beyond" : "within", change.beyond ? "state" : "quiet"));
      return row;
    };
    const show = () => {
      const [before, after] = ["before", "after"].map((name) => runs[form.elements[name].value]);
      const changes = compare(before, after);
      const beyond = changes.filter((change) => change.beyond).length;
      const names = new Set([...Object.keys(before.settings), ...Object.keys(after.settings)]);
      const differing = [...names].filter(
        (name) => before.settings[name] !== after.settings[name],
      );
      const put = (id, text) => (document.getElementById(id).textContent = text);
      put("moved-beyond", beyond);
      put("moved-within", changes.length - beyond);
      put("differing", differing.length ? `The runs differ in: ${differing.sort().join(", ")}.` : "");
      const chosen = [...form.querySelectorAll("option:checked")].map((option) => option.text);
      put("compared-runs", chosen.join(" → "));
      const body = document.querySelector("table.changes > tbody");
      body.replaceChildren(...changes.slice(0, beyond + others).map(line));
      document.getElementById("changes-table").hidden = changes.length === 0;
    };
    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    document.getElementById("compared-runs").className = "paper"; // on a screen the choices say it
    if (form.dataset.empty) show();
  }
}
