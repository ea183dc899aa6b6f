#!/usr/bin/env bash
# Type-checks, where there is no Apple SDK, all code that needs one: the views, the MLX back end,
# MLXDash, the templates, the demo apps and the example of the project's plan, against the
# declarations in standins/. The back ends of MLX and of Apple's model are run as well (inprocess/).
#
#     tests/swiftui/check.sh            type-check everything
#     tests/swiftui/check.sh --prove    then put a type error into each file and see that it is found
#
# Exit status 0: clean. On a Mac, Xcode's own SDK checks the same files; there this does nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(uname -s)" = Linux ] || exit 0

out=.build/swiftui
plugin="$PWD/tests/swiftui/preview-macro#StandInMacros"
base=(swiftc -swift-version 6 -enable-upcoming-feature ExistentialAny -I "$out"
      -I tools/SwiftMLX/Sources/CMLXBus/include -Xcc -fmodule-map-file="$out/module.modulemap"
      -load-plugin-executable "$plugin" -module-cache-path "$out/cache" -package-name SwiftMLX)
mkdir -p "$out"
echo "module CMLXBus { header \"$PWD/tools/SwiftMLX/Sources/CMLXBus/include/cmlxbus.h\" }" \
    >"$out/module.modulemap"

# Stand-ins in the order of their imports. They promise nothing about warnings.
standins=(CryptoKit ImageIO CoreImage PDFKit MLX MLXLMCommon MLXLLM MLXVLM Tokenizers FoundationModels AppKit
          UniformTypeIdentifiers ServiceManagement SwiftUI Charts)
for name in "${standins[@]}"; do
    # Version 2 of Apple's module is that of SDK 27; its enumerations may get new cases.
    version=()
    [ "$name" = FoundationModels ] && version=(-user-module-version 2 -enable-library-evolution)
    "${base[@]}" -suppress-warnings -parse-as-library -wmo -c -emit-module -module-name "$name" "${version[@]}" \
        -emit-module-path "$out/$name.swiftmodule" -o "$out/$name.o" tests/swiftui/standins/"$name"/*.swift
done

# module NAME FILES...: a module that later ones import. Warnings are errors.
module() {
    local name=$1
    shift
    # Emitting a module alone would skip the bodies of functions.
    "${base[@]}" -warnings-as-errors -parse-as-library -typecheck -wmo -module-name "$name" "$@"
    "${base[@]}" -parse-as-library -emit-module -module-name "$name" \
        -o "$out/$name.swiftmodule" "$@"
}

# The core and, against the doubles in the stand-ins, what only Apple's systems have of it. Compiled, not only
# type-checked: what may cross from one task to another is found out behind the types.
run_core() {
    local tests=tools/SwiftMLX/Tests/SwiftMLXCoreTests
    "${base[@]}" -warnings-as-errors -enable-testing -parse-as-library -wmo -c -emit-module \
        -module-name SwiftMLXCore -emit-module-path "$out/SwiftMLXCore.swiftmodule" -o "$out/SwiftMLXCore.o" "$@"
    "${base[@]}" -warnings-as-errors -wmo -module-name InProcess -o "$out/inprocess" \
        tests/swiftui/inprocess/main.swift "$PWD/$tests/Matrix.swift" "$out"/{SwiftMLXCore,CryptoKit,ImageIO,CoreImage}.o \
        "$out"/{MLX,MLXLMCommon,MLXLLM,MLXVLM,Tokenizers,FoundationModels}.o
    "$out/inprocess"
}

# prove NAME FILES...: each file that an Apple module switches on must report a planted type error.
prove() {
    local name=$1 copy="$out/prove/$1" file planted=()
    shift
    rm -rf "$copy"
    mkdir -p "$copy"
    for file in "$@"; do
        cp "$file" "$copy/"
        grep -qE '^#if canImport|^import (SwiftUI|Charts)' "$file" || continue
        grep -qE '^#if os\(iOS\)' "$file" && continue # proved as an iPhone sees it
        planted+=("$(basename "$file")")
        # The last line may be the #endif that ends the file's condition: the error goes inside.
        sed -i -E '${/^#endif/!s/$/\nprivate let plantedError: Int = "text"/
                     /^#endif/s/^/private let plantedError: Int = "text"\n/}' "$copy/$(basename "$file")"
    done
    "${base[@]}" -typecheck -wmo -parse-as-library -module-name "$name" "$copy"/*.swift \
        >"$copy/log" 2>&1 && { echo "$name: no planted error was found"; return 1; }
    for file in "${planted[@]}"; do
        grep -q "/$file:.*cannot convert value of type 'String' to specified type 'Int'" "$copy/log" ||
            { echo "$name/$file: the planted type error was not found"; return 1; }
    done
    echo "$name: the planted type errors in ${#planted[@]} files are all found"
}

# The Command Line Tools, which build a package without Xcode, have no plug-in for the macro.
if grep -rn '^#Preview' tools templates/Examples; then
    echo "swiftui: #Preview needs Xcode; use PreviewProvider in packages" >&2
    exit 1
fi

sources=tools/SwiftMLX/Sources
checks=(
    "SwiftMLXCore $sources/SwiftMLXCore"
    "SwiftMLXUI $sources/SwiftMLXUI"
    "SwiftMLX $sources/SwiftMLX"
    "MLXBus $sources/MLXBus"
    "SwiftMLXBus $sources/SwiftMLXBus"
    "MLXDashModel tools/MLXDash/Sources/MLXDashModel"
    "MLXDash tools/MLXDash/Sources/MLXDash"
    "LocalMLX tests/swift/LocalMLX"
    "ChatDemo templates/Examples/ChatDemo/App"
    "VisionDemo templates/Examples/VisionDemo/App"
)
python3 tests/templates/check.py .build/templates
for template in .build/templates/*/; do
    checks+=("$(basename "$template") ${template%/}")
done
count=0
for check in "${checks[@]}"; do
    read -r name folder <<<"$check"
    if [ "$name" = SwiftMLXCore ]; then
        run_core "$folder"/*.swift
    else
        module "$name" "$folder"/*.swift
    fi
    count=$((count + $(ls "$folder"/*.swift | wc -l)))
done

# The same as an iPhone has it: UIKit in place of AppKit, and what only such systems have.
ios=$out/ios
mkdir -p "$ios"
for name in SwiftMLXCore SwiftMLXUI SwiftMLX; do
    rm -rf "${ios:?}/$name"
    mkdir "$ios/$name"
    for file in "$sources/$name"/*.swift; do
        sed -E '/^ *#(if|elseif) /{s/canImport\(AppKit\)|os\(macOS\)/false/g; s/os\(iOS\)/true/g}' "$file" \
            >"$ios/$name/$(basename "$file")"
    done
done
mac=("${base[@]}")
base=(swiftc -I "$ios" "${mac[@]:1}")
"${base[@]}" -suppress-warnings -parse-as-library -emit-module -module-name UIKit \
    -o "$ios/UIKit.swiftmodule" tests/swiftui/standins-ios/UIKit/*.swift
cp tests/swiftui/standins-ios/Foundation.swift "$ios/SwiftMLXCore/"
for name in SwiftMLXCore SwiftMLXUI SwiftMLX; do
    "${base[@]}" -warnings-as-errors -parse-as-library -typecheck -wmo -module-name "$name" \
        "$ios/$name"/*.swift
    "${base[@]}" -suppress-warnings -parse-as-library -emit-module -module-name "$name" \
        -o "$ios/$name.swiftmodule" "$ios/$name"/*.swift
done
if [ "${1:-}" = --prove ]; then
    for planted in SwiftMLXCore/HubBackground.swift SwiftMLXUI/Platform.swift; do
        name=${planted%/*}
        cp "$ios/$planted" "$ios/planted"
        sed -i -E '0,/^ *(let|guard let|UIPasteboard)/s//let plantedError: Int = "text"\n&/' "$ios/$planted"
        "${base[@]}" -typecheck -wmo -parse-as-library -module-name "$name" "$ios/$name"/*.swift \
            >"$ios/log" 2>&1 || true
        grep -q "/${planted#*/}:.*cannot convert value of type 'String' to specified type 'Int'" "$ios/log" ||
            { echo "iOS: the type error planted in $planted was not found"; exit 1; }
        mv "$ios/planted" "$ios/$planted"
    done
    echo "iOS: the planted type errors are found"
fi
base=("${mac[@]}")

# As older systems have Apple's module: what names anything newer without @available is found.
for version in 26 27; do
    floor=$out/floor-$version
    rm -rf "$floor"
    tests/swiftui/floor.py "$version" "$floor/module" tests/swiftui/standins/FoundationModels/*.swift
    tests/swiftui/floor.py "$version" "$floor/core" "$sources"/SwiftMLXCore/*.swift
    base=(swiftc -I "$floor" "${mac[@]:1}")
    "${base[@]}" -suppress-warnings -parse-as-library -emit-module -module-name FoundationModels \
        -user-module-version 2 -enable-library-evolution -o "$floor/FoundationModels.swiftmodule" "$floor"/module/*.swift
    "${base[@]}" -parse-as-library -typecheck -wmo -module-name SwiftMLXCore "$floor"/core/*.swift
    [ "${1:-}" = --prove ] || continue
    "${base[@]}" -parse-as-library -typecheck -wmo -module-name SwiftMLXCore "$floor"/core/*.swift \
        "tests/swiftui/planted-$version.swift" >"$floor/log" 2>&1 || true
    grep -q "/planted-$version.swift:.*error:" "$floor/log" ||
        { echo "availability: the error planted for version $version was not found"; exit 1; }
done
base=("${mac[@]}")

# The tutorials: the steps of each, one after another, are a program.
for article in "$sources"/*/*.docc/{GettingStarted,Tools,Vision,Metrics}.md; do
    [ -f "$article" ] || continue
    mkdir -p "$out/tutorial"
    awk '/^```swift$/ { on = 1; next } /^```$/ { on = 0 } on' "$article" >"$out/tutorial/main.swift"
    "${base[@]}" -warnings-as-errors -typecheck -module-name Tutorial "$out/tutorial/main.swift" ||
        { echo "$article: its steps are no program"; exit 1; }
done

# The plan's example, word for word, as a program. It does not use what it makes: that is a warning.
"${base[@]}" -suppress-warnings -typecheck -module-name Seed tests/swiftui/seed/main.swift
"${base[@]}" -warnings-as-errors -typecheck -module-name Apple tests/swiftui/apple/main.swift

echo "swiftui: $count files, the tutorials and the plan's example type-check"
if [ "${1:-}" = --prove ]; then
    for check in "${checks[@]}"; do
        read -r name folder <<<"$check"
        if grep -qE '^(#if canImport\((SwiftUI|MLXLLM)|import SwiftUI)' "$folder"/*.swift; then
            prove "$name" "$folder"/*.swift
        fi
    done
fi
