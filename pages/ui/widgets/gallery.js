// A grid of lazy thumbnails. Every text arrives as data and is set as text; a click or Enter answers with the id of the image.
export default function (component) {
  const { data, parentElement: root, setTriggerValue } = component
  const list = root.querySelector("ul")
  list.setAttribute("aria-label", data.label)
  list.style.setProperty("--side", `${data.side}px`)
  const same = list.dataset.drawn === JSON.stringify(data.items)
  if (!same) {
    list.dataset.drawn = JSON.stringify(data.items)
    list.replaceChildren(...data.items.map(card))
  }
  list.onclick = (event) => {
    const button = event.target.closest("button")
    if (button) setTriggerValue("picked", button.dataset.id)
  }
}

function card(item) {
  const image = element("img", "", { src: item.src, alt: "", loading: "lazy", decoding: "async", draggable: "false" })
  image.onerror = () => image.replaceWith(element("span", "missing", { textContent: "no preview" }))
  const frame = element("span", "frame")
  frame.append(image)
  const words = element("span", "words")
  words.append(element("span", "title", { textContent: item.title, title: item.title }))
  if (item.note) words.append(element("span", "note", { textContent: item.note }))
  const button = element("button", item.tone || "plain", { type: "button", ariaLabel: item.alt })
  button.dataset.id = item.id
  button.append(frame, words)
  const entry = element("li", "")
  entry.append(button)
  return entry
}

function element(tag, name, properties = {}) {
  const made = Object.assign(document.createElement(tag), properties)
  if (name) made.className = name
  return made
}
