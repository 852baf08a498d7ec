// Horizontal bars, one row a name, each made of parts that share a scale. Names are set as text.
export default function ({ data, parentElement: root }) {
  // Shades of one colour: told apart by lightness, which every eye sees.
  const tint = (part) => `color-mix(in srgb, var(--st-primary-color) ${[100, 62, 36][part % 3]}%, var(--st-background-color))`
  const most = data.most || Math.max(...data.rows.map((row) => row.values.reduce((a, b) => a + b, 0)), 1e-9)

  const legend = root.querySelector(".legend")
  legend.hidden = data.parts.length < 2
  legend.replaceChildren(...data.parts.map((name, part) => {
    const key = make("span", "key")
    const swatch = make("span", "swatch")
    swatch.style.background = tint(part)
    key.append(swatch, name)
    return key
  }))

  const table = root.querySelector(".rows")
  table.setAttribute("aria-label", data.label)
  table.replaceChildren(...data.rows.map((row) => {
    const line = make("div", row.strong ? "row strong" : "row")
    line.setAttribute("role", "listitem")
    const name = make("span", "name", row.name)
    name.title = row.name
    const track = make("span", "track")
    track.setAttribute("aria-hidden", "true")
    row.values.forEach((value, part) => {
      const bar = make("span", "bar")
      bar.style.width = `${(100 * value) / most}%`
      bar.style.background = tint(part)
      track.append(bar)
    })
    line.append(name, track, make("span", "says", row.says))
    return line
  }))
}

function make(tag, name, text = "") {
  const made = document.createElement(tag)
  made.className = name
  made.textContent = text
  return made
}
