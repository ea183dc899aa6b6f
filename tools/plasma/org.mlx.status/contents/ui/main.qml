// MLX in KDE's panel: the title, and what the page says first when it is opened. It reads /api/status of the gateway on
// this machine and nothing else. headline.mjs is the GNOME extension's headline.js.
import QtQuick
import QtQuick.Layouts
import org.kde.plasma.plasmoid
import org.kde.plasma.components as PlasmaComponents
import "../code/headline.mjs" as Words

PlasmoidItem {
    id: root
    readonly property string gateway: "http://127.0.0.1:11490" // gateway.listen
    property var headline: null

    function look() {
        const request = new XMLHttpRequest();
        request.timeout = 5000;
        request.onreadystatechange = () => {
            if (request.readyState !== XMLHttpRequest.DONE)
                return;
            try {
                root.headline = request.status === 200 ? JSON.parse(request.responseText).headline : null;
            } catch (problem) {
                root.headline = null;
            }
        };
        request.open("GET", `${root.gateway}/api/status`);
        request.send();
    }

    Timer {
        interval: 2000
        running: true
        repeat: true
        triggeredOnStart: true
        onTriggered: root.look()
    }

    toolTipMainText: Words.title(root.headline)
    toolTipSubText: Words.lines(root.headline).join("\n")
    preferredRepresentation: compactRepresentation

    compactRepresentation: PlasmaComponents.Label {
        text: Words.title(root.headline)
        textFormat: Text.PlainText
        Accessible.role: Accessible.Button
        Accessible.name: text
        MouseArea {
            anchors.fill: parent
            onClicked: root.expanded = !root.expanded
        }
    }

    fullRepresentation: ColumnLayout {
        Repeater {
            model: Words.lines(root.headline)
            PlasmaComponents.Label {
                required property string modelData
                text: modelData
                textFormat: Text.PlainText
            }
        }
        PlasmaComponents.Button {
            text: "Open the page"
            onClicked: Qt.openUrlExternally(`${root.gateway}/`)
        }
    }
}
