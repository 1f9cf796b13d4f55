'use strict';
(() => {
const data = JSON.parse(document.getElementById('data').textContent);
const events = data.events.filter(e => e), summary = data.summary;
const total = Math.max(summary.duration_ns / 1000, 1);
const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
// What a thread spends its time on, and what calls are about.
const STATES = {running: '#3f9a5f', run_queue: '#e0a020', disk: '#a8323e', network: '#7a4fb0', lock: '#d0552b', pipe: '#2f8fa8',
  sleep: isDark ? '#3a404a' : '#c9ced6', poll: '#6f86a8', child: '#8a7a52', signal: '#b05c8f', terminal: '#5f7f5f', stopped: '#555', unknown: '#999', other: '#8a8f99'};
const CALLS = [[/^(open|close|read|write|pread|pwrite|stat|fstat|lstat|newfstat|statx|access|faccess|getdents|lseek|fsync|fdatasync|rename|unlink|mkdir|readlink|sendfile|copy_file|splice|dup|fcntl|ioctl|pipe)/, '#2563a8', 'files'],
  [/^(socket|connect|accept|bind|listen|send|recv|shutdown|getsock|setsock)/, '#7a4fb0', 'sockets'],
  [/^(mmap|munmap|mprotect|brk|madvise|mremap|msync)/, '#4f8f8f', 'memory'],
  [/^(futex|rt_sig|kill|tgkill|sig)/, '#d0552b', 'locks, signals'],
  [/^(poll|ppoll|select|pselect|epoll|nanosleep|clock_nanosleep|pause|wait4|waitid)/, '#6f86a8', 'waiting'],
  [/^(clone|fork|vfork|exec|exit)/, '#a05fa0', 'processes']];
const OTHER_CALLS = '#8a8f99';
const colourOfCall = name => (CALLS.find(([of]) => of.test(name)) || [0, OTHER_CALLS])[1];

function span(us) {
  if (us === 0) return '0';
  const [value, unit] = us >= 1e6 ? [us / 1e6, 's'] : us >= 1e3 ? [us / 1e3, 'ms'] : us >= 1 ? [us, 'µs'] : [us * 1e3, 'ns'];
  return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)} ${unit}`;
}
const bytes = n => n >= 1 << 30 ? (n / (1 << 30)).toFixed(1) + ' GiB' : n >= 1 << 20 ? (n / (1 << 20)).toFixed(1) + ' MiB' : n >= 1024 ? (n / 1024).toFixed(1) + ' KiB' : n + ' B';

// A lane a thread: calls above, what it spent its time on below, block I/O of its own beneath.
const lanes = new Map();
for (const [kind, pid, tid, start, length, name, what, state] of events) {
  if (!lanes.has(tid)) lanes.set(tid, {pid, tid, first: start, last: start, calls: [], states: [], points: [], blocks: []});
  const lane = lanes.get(tid), event = {kind, tid, start, length, end: start + length, name, what, state};
  lane.first = Math.min(lane.first, start);
  lane.last = Math.max(lane.last, event.end);
  (kind === 'syscall' ? lane.calls : kind === 'off_cpu' ? lane.states : kind === 'block' ? lane.blocks : lane.points).push(event);
}
for (const thread of summary.threads) {
  const lane = lanes.get(thread.tid);
  if (lane) lane.comm = thread.comm;
}
const order = [...lanes.values()].sort((a, b) => a.first - b.first || a.tid - b.tid);
for (const lane of order) for (const list of [lane.calls, lane.states, lane.points, lane.blocks]) list.sort((a, b) => a.start - b.start);

const LABEL = 190, AXIS = 24, LANE = 38;
const canvas = document.getElementById('timeline'), paint = canvas.getContext('2d');
let from = 0, to = total, top = 0, matcher = null, chosen = null, hits = [];
const style = name => getComputedStyle(document.documentElement).getPropertyValue(name);
const width = () => canvas.clientWidth, height = () => canvas.clientHeight;
const x = time => LABEL + (time - from) / (to - from) * (width() - LABEL);
const timeAt = px => from + (px - LABEL) / (width() - LABEL) * (to - from);

// The first that may reach into the view: ends are not in order, but calls of one thread lie one after another.
function firstVisible(list) {
  let low = 0, high = list.length;
  while (low < high) { const middle = (low + high) >> 1; if (list[middle].start < from) low = middle + 1; else high = middle; }
  while (low > 0 && list[low - 1].end > from) low--;
  return Math.max(0, low - 1);
}

function drawList(list, y, thickness, colour) {
  let drawnTo = -1;
  for (let i = firstVisible(list); i < list.length && list[i].start <= to; i++) {
    const event = list[i];
    const left = Math.max(LABEL, x(event.start)), right = Math.min(width(), x(event.end));
    if (right < LABEL || right < drawnTo) continue;
    const matches = !matcher || matcher(event);
    const drawn = Math.max(1, right - left);
    paint.globalAlpha = matches ? 1 : .12;
    paint.fillStyle = colour(event);
    paint.fillRect(left, y, drawn, thickness);
    if (matches && drawn > 30 && thickness > 10) {
      paint.fillStyle = '#fff';
      paint.save(); paint.beginPath(); paint.rect(left, y, drawn - 2, thickness); paint.clip();
      paint.fillText(event.name, left + 3, y + thickness - 3.5);
      paint.restore();
    }
    if (event === chosen) { paint.globalAlpha = 1; paint.strokeStyle = style('--text'); paint.lineWidth = 2; paint.strokeRect(left, y, drawn, thickness); }
    drawnTo = Math.max(drawnTo, left + (matches ? .7 : .2));
    if (drawn >= 1) hits.push([left, Math.max(right, left + 2), y, y + thickness, event]);
  }
  paint.globalAlpha = 1;
}

function draw() {
  const scale = devicePixelRatio || 1;
  canvas.width = width() * scale; canvas.height = height() * scale;
  paint.setTransform(scale, 0, 0, scale, 0, 0);
  paint.fillStyle = style('--paper'); paint.fillRect(0, 0, width(), height());
  paint.font = '11px system-ui, sans-serif';
  hits = [];
  top = Math.max(0, Math.min(top, order.length * LANE - (height() - AXIS)));
  order.forEach((lane, place) => {
    const y = AXIS + place * LANE - top;
    if (y + LANE < AXIS || y > height()) return;
    if (place % 2) { paint.fillStyle = style('--fill'); paint.fillRect(0, y, width(), LANE); }
    paint.fillStyle = STATES.running;
    const left = Math.max(LABEL, x(lane.first)), right = Math.min(width(), x(lane.last));
    if (right > left) paint.fillRect(left, y + 20, right - left, 7);
    drawList(lane.calls, y + 3, 15, event => colourOfCall(event.name));
    drawList(lane.states, y + 20, 7, event => STATES[event.state] || STATES.other);
    drawList(lane.blocks, y + 29, 5, () => '#a8323e');
    for (const event of lane.points) {
      if (event.start < from || event.start > to) continue;
      paint.globalAlpha = !matcher || matcher(event) ? 1 : .12;
      const px = x(event.start);
      paint.fillStyle = event.kind === 'signal' ? '#b05c8f' : event.kind === 'fault' ? '#c08a2a' : style('--text');
      paint.beginPath(); paint.moveTo(px, y + 1); paint.lineTo(px + 4, y + 8); paint.lineTo(px - 4, y + 8); paint.fill();
      hits.push([px - 4, px + 4, y, y + 9, event]);
      paint.globalAlpha = 1;
    }
    paint.fillStyle = style('--paper'); paint.fillRect(0, y, LABEL - 2, LANE);
    paint.save(); paint.beginPath(); paint.rect(0, y, LABEL - 8, LANE); paint.clip();
    paint.fillStyle = style('--text'); paint.fillText(lane.comm || '', lane.pid === lane.tid ? 6 : 18, y + 15);
    paint.fillStyle = style('--faint'); paint.fillText(lane.pid === lane.tid ? `pid ${lane.pid}` : `tid ${lane.tid} of ${lane.pid}`, lane.pid === lane.tid ? 6 : 18, y + 28);
    paint.restore();
  });
  paint.fillStyle = style('--paper'); paint.fillRect(0, 0, width(), AXIS);
  paint.fillStyle = style('--faint');
  const rough = (to - from) / Math.max(2, (width() - LABEL) / 110), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough);
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) {
    const px = x(tick);
    paint.fillText(span(tick), px + 3, 14);
    paint.fillRect(px, 4, 1, AXIS - 6);
    paint.globalAlpha = .12; paint.fillRect(px, AXIS, 1, height()); paint.globalAlpha = 1;
  }
}

let isQueued = false;
const redraw = () => { if (!isQueued) { isQueued = true; requestAnimationFrame(() => { isQueued = false; draw(); }); } };
function show(start, end) {
  const length = Math.min(total, Math.max(.05, end - start));
  from = Math.max(0, Math.min(start, total - length)); to = from + length;
  redraw();
}
const zoom = (factor, around) => show(around - (around - from) * factor, around + (to - around) * factor);
const middle = () => (from + to) / 2;

canvas.addEventListener('wheel', event => {
  event.preventDefault();
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    const by = (event.deltaX || event.deltaY) / width() * (to - from);
    show(from + by, to + by);
  } else if (event.ctrlKey || event.offsetX > LABEL) zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, timeAt(event.offsetX));
  else { top += event.deltaY; redraw(); }
}, {passive: false});
let held = null;
canvas.addEventListener('pointerdown', event => { held = {x: event.offsetX, y: event.offsetY, from, to, top, moved: false}; canvas.setPointerCapture(event.pointerId); });
canvas.addEventListener('pointermove', event => {
  if (held) {
    const by = (held.x - event.offsetX) / (width() - LABEL) * (held.to - held.from);
    if (Math.abs(held.x - event.offsetX) + Math.abs(held.y - event.offsetY) > 3) held.moved = true;
    top = held.top + held.y - event.offsetY;
    show(held.from + by, held.to + by);
  } else { const hit = under(event); tell(hit || chosen); canvas.style.cursor = hit ? 'pointer' : 'crosshair'; }
});
canvas.addEventListener('pointerup', event => { if (held && !held.moved) { chosen = under(event); tell(chosen); redraw(); } held = null; });
canvas.addEventListener('dblclick', event => { const hit = under(event); if (hit && hit.length > 0) show(hit.start - hit.length * .5, hit.end + hit.length * .5); });
const under = event => { for (let i = hits.length - 1; i >= 0; i--) { const [l, r, t, b, hit] = hits[i]; if (event.offsetX >= l - 1 && event.offsetX <= r + 1 && event.offsetY >= t && event.offsetY <= b) return hit; } return null; };
canvas.addEventListener('keydown', event => {
  const by = (to - from) * .15;
  const act = {w: () => zoom(1 / 1.4, middle()), s: () => zoom(1.4, middle()), a: () => show(from - by, to - by), d: () => show(from + by, to + by),
    ArrowLeft: () => show(from - by, to - by), ArrowRight: () => show(from + by, to + by), ArrowUp: () => { top -= LANE; redraw(); }, ArrowDown: () => { top += LANE; redraw(); },
    '+': () => zoom(1 / 1.4, middle()), '-': () => zoom(1.4, middle()), '0': () => show(0, total)}[event.key];
  if (act) { act(); event.preventDefault(); }
});
document.getElementById('in').onclick = () => zoom(1 / 1.6, middle());
document.getElementById('out').onclick = () => zoom(1.6, middle());
document.getElementById('all').onclick = () => show(0, total);
const found = document.getElementById('found');
document.getElementById('search').addEventListener('input', event => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  matcher = words.length ? e => { const text = `${e.kind} ${e.name} ${e.what} ${e.state || ''}`.toLowerCase(); return words.every(word => text.includes(word)); } : null;
  let count = 0;
  if (matcher) for (const lane of order) for (const list of [lane.calls, lane.states, lane.points, lane.blocks]) for (const e of list) if (matcher(e)) count++;
  found.textContent = matcher ? `${count.toLocaleString('en')} found` : '';
  redraw();
});
const detail = document.getElementById('detail');
function tell(event) {
  detail.textContent = event ? `${span(event.start)} after the start${event.length ? `, for ${span(event.length)}` : ''}, thread ${event.tid}\n${event.what}` : 'Point at something: what it was is told here. Wheel or + and -: zoom. Drag or arrows: move. Double click: fit. 0: all.';
}

// Tables, from the summary that every format has.
const make = (tag, text, kind) => { const element = document.createElement(tag); if (text !== undefined) element.textContent = text; if (kind) element.className = kind; return element; };
function table(place, heads, rows) {
  const section = document.getElementById(place);
  if (!rows.length) { section.hidden = true; return; }
  const box = make('div', undefined, 'scroll'), whole = make('table'), head = whole.createTHead().insertRow(), body = whole.createTBody();
  heads.forEach(name => head.append(make('th', name.replace(/^#/, ''), name.startsWith('#') ? 'n' : '')));
  for (const cells of rows) {
    const row = body.insertRow();
    cells.forEach((cell, place) => { const td = row.insertCell(); if (heads[place].startsWith('#')) td.className = 'n'; if (cell instanceof Node) td.append(cell); else td.textContent = cell; });
  }
  box.append(whole); section.append(box);
}
const us = ns => span(ns / 1000);
const causes = Object.keys(STATES);
const used = causes.filter(cause => summary.time[cause + '_ns'] > 0);
const words = data.causes;
function parts(time) {
  const bar = make('div', undefined, 'split');
  for (const cause of used) {
    const share = 100 * time[cause + '_ns'] / Math.max(1, time.wall_ns);
    if (share < .05) continue;
    const part = make('span'); part.style.width = share + '%'; part.style.background = STATES[cause];
    part.title = `${words[cause]}: ${us(time[cause + '_ns'])}, ${share.toFixed(1)} %`;
    bar.append(part);
  }
  return bar;
}
const legend = document.getElementById('legend');
const entry = (colour, text) => { const item = make('span'), patch = make('i'); patch.style.background = colour; item.append(patch, text); legend.append(item); };
for (const cause of used) entry(STATES[cause], `${words[cause]} ${(100 * summary.time[cause + '_ns'] / Math.max(1, summary.time.wall_ns)).toFixed(1)} %`);
const about = make('span', 'calls:', 'faint'); legend.append(about);
for (const [, colour, name] of CALLS) entry(colour, name);
table('threads', ['Thread', 'Name', '#Wall', '#Running', '#Waiting for a CPU', 'Split'],
  [...summary.threads].sort((a, b) => b.wall_ns - a.wall_ns).slice(0, 200).map(t => [t.tid, t.comm, us(t.wall_ns), us(t.running_ns), us(t.run_queue_ns), parts(t)]));
table('calls', ['Call', '#Count', '#Errors', '#Time', '#Of it blocked', '#Longest'],
  summary.syscalls.map(c => [c.syscall, c.count.toLocaleString('en'), c.errors || '', us(c.time_ns), us(c.blocked_ns), us(c.longest_ns)]));
table('files', ['File', '#Read', '#Written', '#Calls', '#Time'], summary.files.slice(0, 100).map(f => [f.name, bytes(f.read_bytes), bytes(f.written_bytes), f.calls, us(f.time_ns)]));
table('connections', ['Connection', '#Received', '#Sent', '#Calls', '#Time'],
  summary.connections.slice(0, 100).map(c => [`${c.protocol} ${c.local} → ${c.remote || ''}`, bytes(c.read_bytes), bytes(c.written_bytes), c.calls, us(c.time_ns)]));
table('slowest', ['#Took', 'Thread', 'What'], summary.slowest.slice(0, 20).map(s => [us(s.duration_ns), s.tid, s.what]));
const lost = Object.entries(summary.loss).filter(([, count]) => count > 0);
const trust = document.getElementById('trust');
trust.textContent = (lost.length ? 'Lost: ' + lost.map(([kind, count]) => `${kind} ${count}`).join(', ') + '. What is lost of calls and times off the CPU is in the sums all the same, and not on the timeline.' : 'Nothing was lost.')
  + (data.left_out ? ` ${data.left_out.toLocaleString('en')} things are not on the timeline, for a page is not to grow without bound; the sums have them.` : '')
  + summary.missing.map(m => ` Not told here: ${m}.`).join('');
if (lost.length || data.left_out) trust.className = 'warn';
document.getElementById('facts').textContent = `${span(total)}, ${summary.processes} process${summary.processes === 1 ? '' : 'es'}, ${summary.threads.length} thread${summary.threads.length === 1 ? '' : 's'}, ${events.length.toLocaleString('en')} on the timeline`;
canvas.style.height = Math.min(Math.max(order.length, 2) * LANE + AXIS, Math.max(240, innerHeight * .6)) + 'px';
addEventListener('resize', redraw);
tell(null);
draw();
})();
