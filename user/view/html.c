/* SPDX-License-Identifier: Apache-2.0 */
#include "view/html.h"

#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "view/assets.h"
#include "view/html_data.h"
#include "view/text.h"

#define NONCE_BYTES 16

struct page {
	const struct pprof *profile;
	const struct view_select *select;
	const char *title;
	char nonce[2 * NONCE_BYTES + 1];
	FILE *out;
};

static int write_title(const struct page *page)
{
	CLEANUP(freep) char *clean = NULL;
	int r = text_clean(page->title, &clean);

	if (r < 0)
		return r;
	for (const char *c = clean; *c; c++) {
		if (strchr("<>&\"'", *c))
			fprintf(page->out, "&#%d;", *c);
		else
			fputc(*c, page->out);
	}
	return 0;
}

static int write_data(const struct page *page)
{
	return html_data_write(page->profile, page->select, page->title, page->out);
}

static int write_nonce(const struct page *page)
{
	fputs(page->nonce, page->out);
	return 0;
}

/* What a "{{name}}" of index.html stands for: a file, or what a function writes. */
struct slot {
	const char *name;
	const char *begin, *end;
	int (*write)(const struct page *page);
};

static const struct slot slots[] = {
	{ "style", asset_style_css, asset_style_css_end, NULL },
	{ "model", asset_model_js, asset_model_js_end, NULL },
	{ "list", asset_list_js, asset_list_js_end, NULL },
	{ "flame", asset_flame_js, asset_flame_js_end, NULL },
	{ "app", asset_app_js, asset_app_js_end, NULL },
	{ "title", NULL, NULL, write_title },
	{ "nonce", NULL, NULL, write_nonce },
	{ "data", NULL, NULL, write_data },
};

/* -EINVAL: index.html names a slot that there is not. */
static int write_slot(const struct page *page, const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		const struct slot *s = &slots[i];

		if (strlen(s->name) != len || memcmp(s->name, name, len) != 0)
			continue;
		if (s->write)
			return s->write(page);
		fwrite(s->begin, 1, (size_t)(s->end - s->begin), page->out);
		return 0;
	}
	return -EINVAL;
}

/* Only index.html is looked through, not what fills its slots. */
static int write_page(const struct page *page)
{
	const char *pos = asset_index_html;

	for (;;) {
		const char *open = strstr(pos, "{{");
		const char *close = open ? strstr(open, "}}") : NULL;
		int r;

		if (!close)
			break;
		fwrite(pos, 1, (size_t)(open - pos), page->out);
		r = write_slot(page, open + 2, (size_t)(close - open - 2));
		if (r < 0)
			return r;
		pos = close + 2;
	}
	fputs(pos, page->out);
	return 0;
}

int view_html(const struct pprof *p, const struct view_select *sel, const char *title, FILE *out)
{
	struct page page = { .profile = p, .select = sel, .title = title, .out = out };
	uint8_t nonce[NONCE_BYTES];
	int r;

	/* Should a name ever break out of the data, then it cannot guess what lets a script run. */
	if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
		return -EIO;
	format_hex(nonce, sizeof(nonce), page.nonce);

	r = write_page(&page);
	if (r < 0)
		return r;
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}
