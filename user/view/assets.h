/* SPDX-License-Identifier: Apache-2.0 */
/* The files of user/view/assets/ inside of the program; each ends where its _end begins. */
#ifndef VIEW_ASSETS_H
#define VIEW_ASSETS_H

extern const char asset_index_html[], asset_index_html_end[];
extern const char asset_style_css[], asset_style_css_end[];
extern const char asset_model_js[], asset_model_js_end[];
extern const char asset_list_js[], asset_list_js_end[];
extern const char asset_flame_js[], asset_flame_js_end[];
extern const char asset_app_js[], asset_app_js_end[];

#endif
