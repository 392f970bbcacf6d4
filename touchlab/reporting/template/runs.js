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

  // Rows by what names them; those whose name is not their own are left out.
  const named = (table, names) => {
    const places = names.map((name) => table.names.indexOf(name));
    const keys = table.rows.map((row) => places.map((place) => row[place]).join(", ") || "all");
    return new Map(keys.map((key, i) => [key, i]).filter(([key]) => keys.indexOf(key) === keys.lastIndexOf(key)));
  };

  const changesOf = (before, after) => {
    if (after.names.some((name) => before.numbers.includes(name))) return [];
    const names = after.names.filter((name) => before.names.includes(name));
    const [old, fresh] = [named(before, names), named(after, names)];
    return after.measures.flatMap((measure) => {
      const was = before.measures.find((m) => m.columns.join() === measure.columns.join());
      if (!was) return [];
      return [...old].flatMap(([row, i]) => {
        const [a, b] = [was.values[i], measure.values[fresh.get(row)]];
        if (!a || !b || a[0] === b[0]) return [];
        const moved = Math.abs(b[0] - a[0]);
        const reach = Math.hypot(b[2] - b[1], a[2] - a[1]) / 2;
        const far = reach > 0 ? moved / reach : -1;
        return [{ row, table: after.name, measure, a, b, beyond: moved > reach, far }];
      });
    });
  };

  const compare = (before, after) =>
    after.tables
      .flatMap((table) => {
        const same = before.tables.find((other) => other.name === table.name);
        return same ? changesOf(same, table) : [];
      })
      .sort((x, y) => y.beyond - x.beyond || y.far - x.far);

  const set = ({ a, b, measure }) => {
    const size = Math.max(Math.abs(a[0]), Math.abs(b[0]));
    const places = measure.percent ? 1 : size >= 100 ? 0 : size >= 10 ? 1 : 2;
    const form = new Intl.NumberFormat("en-US", {
      minimumFractionDigits: places, maximumFractionDigits: places, roundingMode: "halfEven",
    });
    const text = (v) => (measure.percent ? `${form.format(100 * v)} %` : form.format(v));
    return [a, b].map(([v, low, high]) => `${text(v)} (${text(low)} to ${text(high)})`);
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
      const title = `${change.table}: ${change.measure.columns[0]}`.replaceAll("_", " ");
      const [before, after] = set(change);
      row.append(cell("th", change.row), cell("td", title), cell("td", before, "num"), cell("td", after, "num"));
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
