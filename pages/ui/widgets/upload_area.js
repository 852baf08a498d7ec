// Sends files one by one to the upload route, so that neither the browser nor the server ever holds one in memory.
const states = new WeakMap()
const TOGETHER = 3

export default function (component) {
  const { data, parentElement: root, setTriggerValue } = component
  const state = states.get(root) ?? { transfer: null }
  states.set(root, state)
  const $ = (name) => root.querySelector(`[data-part="${name}"]`)
  const say = (text) => { $("message").textContent = text; $("message").hidden = !text }
  const words = data.words

  for (const name of ["title", "hint", "files", "folder", "cancel"]) $(name).textContent = words[name]
  $("area").setAttribute("aria-label", words.title)

  const begin = (picked) => {
    const files = picked.filter(({ file }) => file.size > 0)
    if (state.transfer || !files.length) return
    if (data.prefix_needed && !data.prefix) return say(words.prefix_needed)
    const bytes = files.reduce((sum, { file }) => sum + file.size, 0)
    if (bytes > data.limit_bytes) return say(words.too_large)
    say("")
    state.transfer = transfer(files, bytes, data, (t) => draw(t), (t) => finish(t))
  }

  const draw = (t) => {
    const share = t.bytes ? t.sent / t.bytes : 0
    $("bar").value = share
    const of = (done, all) => words.of.replace("{done}", done).replace("{all}", all)
    const files = t.files.length > 1 ? `${of(t.done, t.files.length)} · ` : ""
    $("numbers").textContent = `${files}${of(size(t.sent), size(t.bytes))} · ${Math.floor(share * 100)} %`
  }

  const finish = (t) => {
    state.transfer = null
    show(false)
    if (t.cancelled || t.error) {
      say(t.error || words.cancelled)
      return setTriggerValue("stopped", { upload: t.data.upload })
    }
    setTriggerValue("done", { upload: t.data.upload, files: t.files.length, bytes: t.bytes, prefix: t.data.prefix, name: suggest(t.files) })
  }

  const show = (busy) => { $("idle").hidden = busy; $("busy").hidden = !busy }
  const transfer = (files, bytes, data, onDraw, onFinish) => {
    show(true)
    return send(files, bytes, data, onDraw, onFinish)
  }

  show(Boolean(state.transfer))
  $("files").onclick = () => $("pick-files").click()
  $("folder").onclick = () => $("pick-folder").click()
  $("cancel").onclick = () => state.transfer?.cancel()
  for (const part of ["pick-files", "pick-folder"]) {
    $(part).onchange = (event) => {
      begin([...event.target.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })))
      event.target.value = ""
    }
  }
  const area = $("area")
  area.ondragover = (event) => { event.preventDefault(); area.classList.add("over") }
  area.ondragleave = () => area.classList.remove("over")
  area.ondrop = async (event) => {
    event.preventDefault()
    area.classList.remove("over")
    begin(await dropped(event.dataTransfer))
  }
}

function send(files, bytes, data, onDraw, onFinish) {
  const t = { files, bytes, data, sent: 0, done: 0, next: 0, error: "", cancelled: false, active: new Set(), ended: false }
  const end = () => { if (!t.ended) { t.ended = true; for (const request of t.active) request.abort(); onFinish(t) } }
  t.cancel = () => { t.cancelled = true; end() }
  const step = () => {
    if (t.ended) return
    if (t.done === files.length) return end()
    if (t.next >= files.length) return
    const { file, name } = files[t.next++]
    const request = new XMLHttpRequest()
    let before = 0
    const count = (loaded) => { t.sent += loaded - before; before = loaded; onDraw(t) }
    const full = data.prefix ? `${data.prefix}/${name.split("/").pop()}` : name
    request.open("PUT", `${data.url}?${new URLSearchParams({ token: data.token, name: full })}`)
    request.upload.onprogress = (event) => count(Math.min(event.loaded, file.size))
    request.onload = () => {
      t.active.delete(request)
      if (request.status !== 200) { t.error = reason(request) || data.words.failed; return end() }
      count(file.size)
      t.done += 1
      onDraw(t)
      step()
    }
    request.onerror = () => { t.active.delete(request); t.error = data.words.failed; end() }
    t.active.add(request)
    request.send(file)
  }
  onDraw(t)
  for (let i = 0; i < Math.min(TOGETHER, files.length); i++) step()
  return t
}

function reason(request) {
  try { return JSON.parse(request.responseText).error } catch { return "" }
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean)
  if (!entries.length) return [...transfer.files].map((file) => ({ file, name: file.name }))
  return (await Promise.all(entries.map(walk))).flat()
}

async function walk(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject))
    return [{ file, name: entry.fullPath.replace(/^\//, "") }]
  }
  const reader = entry.createReader()
  const found = []
  for (;;) { // a directory answers in portions of a hundred
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))
    if (!portion.length) break
    found.push(...(await Promise.all(portion.map(walk))).flat())
  }
  return found
}

function suggest(files) {
  const first = files[0].name
  if (first.includes("/")) return first.split("/")[0]
  return files.length === 1 ? first.replace(/\.[^.]+$/, "") : ""
}

function size(bytes) {
  const units = ["B", "KB", "MB", "GB"]
  let unit = 0
  while (bytes >= 999.5 && unit < 3) { bytes /= 1000; unit += 1 }
  return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`
}
