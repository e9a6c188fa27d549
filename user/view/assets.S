/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the HTML viewer, as they are; paths are those of the repository. See assets.h. */

.macro asset name, path
	.global asset_\name
	.global asset_\name\()_end
	.type asset_\name, %object
asset_\name:
	.incbin "\path"
asset_\name\()_end:
	.size asset_\name, . - asset_\name
	.byte 0
.endm

	.section .rodata
	asset index_html, user/view/assets/index.html
	asset style_css, user/view/assets/style.css
	asset model_js, user/view/assets/model.js
	asset list_js, user/view/assets/list.js
	asset flame_js, user/view/assets/flame.js
	asset app_js, user/view/assets/app.js

	.section .note.GNU-stack, "", %progbits
