// Makes elements. Text is always text: nothing that a service or a person sent is read as HTML.
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list" && name !== "form") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

// A field with its label.
export const field = (text, input) => el("label", {}, text, input);

export const option = (value, text, selected) => el("option", { value, selected }, text);

// A table that scrolls by itself where it is wider than its place. Cells are texts, elements or lists of them.
export function table(head, rows) {
  return el("div", { className: "wide", tabIndex: 0 }, el("table", {},
    el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell)))))));
}

export function replace(parent, ...children) {
  parent.replaceChildren(...children.flat().filter(Boolean));
}

// Says what happens, to screen readers too.
export function say(text, isBad = false) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.toggle("bad", isBad);
}

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

// Asks before something is lost.
export function confirmed(text, yes, no) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { "aria-label": text, onclose: () => { resolve(dialog.returnValue === "yes"); dialog.remove(); } },
      el("p", {}, text),
      el("div", { className: "row" },
        el("button", { className: "danger", id: "confirm", onclick: () => dialog.close("yes") }, yes),
        el("button", { autofocus: true, onclick: () => dialog.close("no") }, no)));
    document.body.append(dialog);
    dialog.showModal();
  });
}
