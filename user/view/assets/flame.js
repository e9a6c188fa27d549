// SPDX-License-Identifier: Apache-2.0
// The flame graph: drawn on a canvas as high as the window, whatever the number of frames.
'use strict';

var Flame = (function () {
	const ROW = 20;
	const GAP = 1;
	const FONT_SIZE = 12;
	const THIN = 0.7; // pixels; thinner boxes are drawn together

	const PALETTES = {
		light: {
			text: '#1a1206', rest: '#c9ced8', match: 'hsl(295 78% 74%)',
			colour: (hue, sat, light) => `hsl(${hue} ${sat}% ${light}%)`,
		},
		dark: {
			text: '#0c0d10', rest: '#4a5160', match: 'hsl(295 75% 72%)',
			colour: (hue, sat, light) => `hsl(${hue} ${sat * 0.72}% ${light - 13}%)`,
		},
	};

	function hash(text) {
		let h = 2166136261;

		for (let i = 0; i < text.length; i++)
			h = Math.imul(h ^ text.charCodeAt(i), 16777619);
		h ^= h >>> 15;
		h = Math.imul(h, 0x2c1b3c6d);
		return (h ^ (h >>> 12)) >>> 0;
	}

	// Hue range, saturation and lightness range of each kind.
	const KIND_COLOURS = {
		program: { hue: [22, 46], sat: 92, light: [70, 79] },
		library: { hue: [150, 176], sat: 48, light: [70, 78] },
		kernel: { hue: [208, 228], sat: 78, light: [75, 82] },
		unresolved: { hue: [220, 220], sat: 8, light: [77, 81] },
		truncated: { hue: [220, 220], sat: 8, light: [84, 84] },
		process: { hue: [220, 220], sat: 16, light: [82, 85] },
	};

	function within([from, to], part) {
		return from + (to - from) * part;
	}

	function colourOfKind(palette, kind, seed) {
		const c = KIND_COLOURS[kind];

		return palette.colour(within(c.hue, (seed % 97) / 97), c.sat,
			within(c.light, (seed % 31) / 31));
	}

	function colourOfModule(palette, module, seed) {
		const h = hash(module);

		return palette.colour(h % 360, 58 + (h >>> 9) % 18, 75 + (seed % 5));
	}

	// on: zoom(node), hover(node or -1, box, event), cursor(node)
	function Flame(scroller, space, canvas, on) {
		Object.assign(this, { scroller, space, canvas, on, icicle: false, by: 'kind',
			profile: null, weights: null, zoom: Model.ROOT, marked: null, cursor: -1,
			hovered: null, boxes: [], rows: [], depth: 1, frameRequest: 0, colours: new Map() });
		this.context = canvas.getContext('2d');
		this.scheme = matchMedia('(prefers-color-scheme: dark)');
		this.scheme.addEventListener('change', () => this.restyle());
		scroller.addEventListener('scroll', () => this.redraw());
		new ResizeObserver(() => this.relayout()).observe(scroller);
		canvas.addEventListener('pointermove', (e) => this.pointAt(e));
		canvas.addEventListener('pointerleave', () => this.pointAt(null));
		canvas.addEventListener('click', (e) => this.click(e));
		scroller.addEventListener('keydown', (e) => this.key(e));
		this.restyle();
	}

	Flame.prototype.restyle = function () {
		const css = getComputedStyle(document.documentElement);

		this.palette = this.scheme.matches ? PALETTES.dark : PALETTES.light;
		this.faint = css.getPropertyValue('--flame-dim').trim();
		this.faintText = css.getPropertyValue('--flame-dim-text').trim();
		this.accent = css.getPropertyValue('--accent').trim();
		this.background = css.getPropertyValue('--bg').trim();
		this.font = `${FONT_SIZE}px ${css.getPropertyValue('--mono')}`;
		this.context.font = this.font;
		this.charWidth = this.context.measureText('0'.repeat(50)).width / 50;
		this.colours.clear();
		this.redraw();
	};

	// What is shown: { weights, zoom, marked, by, icicle }; marked: 1 for each frame in sight.
	Flame.prototype.show = function (profile, what) {
		const upright = this.icicle !== what.icicle || this.weights !== what.weights ||
			this.zoom !== what.zoom;

		if (this.by !== what.by)
			this.colours.clear();
		Object.assign(this, what, { profile });
		this.cursor = -1;
		this.relayout();
		if (upright)
			this.scroller.scrollTop = this.icicle ? 0 : this.scroller.scrollHeight;
		this.redraw();
	};

	Flame.prototype.relayout = function () {
		const width = this.scroller.clientWidth;

		if (!this.profile || width === 0)
			return;
		this.boxes = Model.boxes(this.profile, this.weights, this.zoom, width, THIN);
		this.rows = [];
		for (const box of this.boxes)
			(this.rows[box.depth] = this.rows[box.depth] || []).push(box);
		for (const row of this.rows)
			row.sort((a, b) => a.x - b.x);
		this.depth = this.rows.length;
		this.space.style.height = Math.max(this.depth * ROW, this.scroller.clientHeight) + 'px';
		this.redraw();
	};

	Flame.prototype.redraw = function () {
		if (this.frameRequest || !this.profile)
			return;
		this.frameRequest = requestAnimationFrame(() => {
			this.frameRequest = 0;
			this.draw();
		});
	};

	// Of the row at @depth, in pixels below the top of the space.
	Flame.prototype.rowTop = function (depth) {
		const height = Math.max(this.depth * ROW, this.scroller.clientHeight);

		return this.icicle ? depth * ROW : height - (depth + 1) * ROW;
	};

	Flame.prototype.draw = function () {
		const width = this.scroller.clientWidth, height = this.scroller.clientHeight;
		const ratio = devicePixelRatio || 1;
		const g = this.context;

		if (this.canvas.width !== Math.round(width * ratio) ||
			this.canvas.height !== Math.round(height * ratio)) {
			this.canvas.width = Math.round(width * ratio);
			this.canvas.height = Math.round(height * ratio);
			this.canvas.style.width = width + 'px';
			this.canvas.style.height = height + 'px';
		}
		g.setTransform(ratio, 0, 0, ratio, 0, 0);
		g.fillStyle = this.background;
		g.fillRect(0, 0, width, height);
		g.font = this.font;
		g.textBaseline = 'middle';
		for (let depth = 0; depth < this.rows.length; depth++) {
			const top = this.rowTop(depth) - this.scroller.scrollTop;
			if (top > -ROW && top < height)
				this.rows[depth].forEach((box) => this.drawBox(box, top));
		}
	};

	Flame.prototype.drawBox = function (box, top) {
		const g = this.context;
		const w = Math.max(box.w - (box.w > 3 ? GAP : 0), 0.5);
		const style = this.styleOf(box);

		g.globalAlpha = style.alpha;
		g.fillStyle = style.fill;
		g.fillRect(box.x, top, w, ROW - GAP);
		g.globalAlpha = 1;
		if (box.node >= 0 && this.kindOf(box.node) === 'truncated' && w > 6)
			this.hatch(box.x, top, w);
		if (box.node >= 0 && (box === this.hovered || box.node === this.cursor))
			this.outline(box.x, top, w, box.node === this.cursor);
		if (box.w > 3 * this.charWidth && box.node >= 0)
			this.drawText(this.label(box.node), box, top, style.text);
	};

	Flame.prototype.kindOf = function (node) {
		return node === Model.ROOT ? 'process' : Model.frameKind(this.profile, this.profile.frame[node]);
	};

	Flame.prototype.label = function (node) {
		const name = Model.nodeName(this.profile, node);

		return node !== Model.ROOT ? name :
			name + '  ' + Model.formatValue(this.profile, this.weights.total[node]);
	};

	Flame.prototype.styleOf = function (box) {
		const frame = box.node > 0 ? this.profile.frame[box.node] : -1;
		const above = box.node >= 0 && box.depth < this.profile.depth[this.zoom];

		if (box.node < 0)
			return { fill: this.palette.rest, alpha: this.marked ? 0.35 : 0.8, text: '' };
		if (this.marked && frame >= 0 && this.marked[frame])
			return { fill: this.palette.match, alpha: 1, text: this.palette.text };
		if (this.marked)
			return { fill: this.faint, alpha: 1, text: this.faintText };
		return { fill: this.colourOf(box.node), alpha: above ? 0.6 : 1,
			text: above && this.scheme.matches ? '#fff' : this.palette.text };
	};

	Flame.prototype.colourOf = function (node) {
		const key = node === Model.ROOT ? -1 : this.profile.frame[node];
		let colour = this.colours.get(key);

		if (!colour) {
			const seed = hash(Model.nodeName(this.profile, node));
			const module = key < 0 ? '' : Model.frameModule(this.profile, key);
			colour = this.by === 'module' && module !== '' ?
				colourOfModule(this.palette, module, seed) :
				colourOfKind(this.palette, this.kindOf(node), seed);
			this.colours.set(key, colour);
		}
		return colour;
	};

	Flame.prototype.colourOfKind = function (kind) {
		return colourOfKind(this.palette, kind, 48);
	};

	Flame.prototype.drawText = function (text, box, top, colour) {
		const g = this.context;
		const room = box.w - 8;
		const chars = Math.floor(room / this.charWidth);

		if (chars < 2)
			return;
		g.fillStyle = colour;
		// The last argument: letters wider than the digit that was measured must not run over.
		g.fillText(text.length > chars ? text.slice(0, chars - 1) + '…' : text,
			box.x + 4, top + (ROW - GAP) / 2 + 0.5, room);
	};

	Flame.prototype.hatch = function (x, top, w) {
		const g = this.context;

		g.save();
		g.beginPath();
		g.rect(x, top, w, ROW - GAP);
		g.clip();
		g.strokeStyle = this.scheme.matches ? 'rgb(0 0 0 / 18%)' : 'rgb(90 98 115 / 22%)';
		g.lineWidth = 2;
		g.beginPath();
		for (let i = Math.floor(x / 8) * 8 - ROW; i < x + w; i += 8) {
			g.moveTo(i, top + ROW);
			g.lineTo(i + ROW, top);
		}
		g.stroke();
		g.restore();
	};

	Flame.prototype.outline = function (x, top, w, strong) {
		const g = this.context;

		g.strokeStyle = this.accent;
		g.lineWidth = strong ? 2 : 1.5;
		g.strokeRect(x + 1, top + 1, Math.max(w - 2, 1), ROW - GAP - 2);
	};

	Flame.prototype.boxAt = function (event) {
		const area = this.canvas.getBoundingClientRect();
		const x = event.clientX - area.left;
		const y = event.clientY - area.top + this.scroller.scrollTop;
		const row = this.rows.findIndex((_, depth) => {
			const top = this.rowTop(depth);
			return y >= top && y < top + ROW;
		});

		if (row < 0)
			return null;
		return this.rows[row].find((box) => x >= box.x && x < box.x + Math.max(box.w, 1)) || null;
	};

	Flame.prototype.pointAt = function (event) {
		const box = event ? this.boxAt(event) : null;

		this.canvas.style.cursor = box && box.node >= 0 ? 'pointer' : '';
		this.on.hover(box, event);
		if (box === this.hovered)
			return;
		this.hovered = box;
		this.redraw();
	};

	Flame.prototype.click = function (event) {
		const box = this.boxAt(event);

		if (box && box.node >= 0)
			this.on.zoom(box.node);
	};

	// The rows as they are seen: up leads to the caller where the root is on top.
	Flame.prototype.key = function (event) {
		const deeper = this.icicle ? 'ArrowDown' : 'ArrowUp';
		const back = this.icicle ? 'ArrowUp' : 'ArrowDown';

		if (event.key === deeper)
			this.moveDeeper();
		else if (event.key === back)
			this.setCursor(this.parentOf(this.cursor));
		else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight')
			this.moveAside(event.key === 'ArrowRight' ? 1 : -1);
		else if (event.key === 'Enter' && this.cursor >= 0)
			this.on.zoom(this.cursor);
		else if (event.key === 'Backspace')
			this.on.zoom(this.parentOf(this.zoom));
		else
			return;
		event.preventDefault();
	};

	Flame.prototype.parentOf = function (node) {
		return node <= 0 ? Model.ROOT : this.profile.parent[node];
	};

	Flame.prototype.moveDeeper = function () {
		const from = this.cursor < 0 ? -1 : this.cursor;
		const next = from < 0 ? this.zoom : Model.sortedChildren(this.profile, this.weights, from)[0];

		if (next !== undefined)
			this.setCursor(next);
	};

	Flame.prototype.moveAside = function (step) {
		if (this.cursor <= 0)
			return this.setCursor(this.zoom);
		const row = this.rows[this.profile.depth[this.cursor]] || [];
		const at = row.findIndex((box) => box.node === this.cursor);
		const next = row[at + step];

		if (next && next.node >= 0)
			this.setCursor(next.node);
		return undefined;
	};

	Flame.prototype.setCursor = function (node) {
		const top = this.rowTop(this.profile.depth[node]);
		const view = this.scroller.clientHeight;

		this.cursor = node;
		if (top < this.scroller.scrollTop)
			this.scroller.scrollTop = top;
		else if (top + ROW > this.scroller.scrollTop + view)
			this.scroller.scrollTop = top + ROW - view;
		this.on.cursor(node);
		this.redraw();
	};

	return Flame;
})();
