// MLX in GNOME's top bar: the title, and a menu with what the page says first. It reads /api/status of the
// gateway on this machine and nothing else; a click on the last item opens the page.

import Gio from "gi://Gio";
import GLib from "gi://GLib";
import Soup from "gi://Soup";
import St from "gi://St";
import Clutter from "gi://Clutter";
import { Extension } from "resource:///org/gnome/shell/extensions/extension.js";
import * as Main from "resource:///org/gnome/shell/ui/main.js";
import * as PanelMenu from "resource:///org/gnome/shell/ui/panelMenu.js";
import * as PopupMenu from "resource:///org/gnome/shell/ui/popupMenu.js";
import { lines, title } from "./headline.js";

const GATEWAY = "http://127.0.0.1:11490"; // gateway.listen
const EVERY_S = 2;
const MOST_BYTES = 4 * 1024 * 1024;

export default class MlxExtension extends Extension {
    enable() {
        this._session = new Soup.Session({ timeout: 5 });
        this._button = new PanelMenu.Button(0.5, "MLX");
        this._label = new St.Label({ text: "MLX", y_align: Clutter.ActorAlign.CENTER });
        this._button.add_child(this._label);
        Main.panel.addToStatusArea(this.uuid, this._button);
        this._timer = GLib.timeout_add_seconds(GLib.PRIORITY_LOW, EVERY_S, () => {
            this._look();
            return GLib.SOURCE_CONTINUE;
        });
        this._look();
    }

    disable() {
        GLib.source_remove(this._timer);
        this._session.abort();
        this._button.destroy();
        this._timer = this._session = this._button = this._label = null;
    }

    _look() {
        const session = this._session;
        const message = Soup.Message.new("GET", `${GATEWAY}/api/status`);
        session.send_and_read_async(message, GLib.PRIORITY_LOW, null, (_session, result) => {
            let headline = null;
            try {
                const bytes = session.send_and_read_finish(result).get_data();
                if (message.get_status() === Soup.Status.OK && bytes.length <= MOST_BYTES)
                    headline = JSON.parse(new TextDecoder().decode(bytes)).headline;
            } catch {
                headline = null; // no gateway, or not what it says: the title tells
            }
            if (this._session === session)
                this._show(headline);
        });
    }

    _show(headline) {
        this._label.text = title(headline);
        if (this._button.menu.isOpen)
            return; // a menu that is read does not move
        this._button.menu.removeAll();
        for (const line of lines(headline))
            this._button.menu.addMenuItem(new PopupMenu.PopupMenuItem(line, { reactive: false }));
        this._button.menu.addAction("Open the page", () => Gio.AppInfo.launch_default_for_uri(`${GATEWAY}/`, null));
    }
}
