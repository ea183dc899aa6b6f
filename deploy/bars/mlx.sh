#!/bin/sh
# SwiftBar: put this into its plug-in folder, executable
# <swiftbar.type>streamable</swiftbar.type>
# <swiftbar.hideAbout>true</swiftbar.hideAbout>
exec "$HOME/.local/bin/mlx-menubar" -f swiftbar
