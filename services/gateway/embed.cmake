# cmake -DOUT=file.c -DDIR=folder -P embed.cmake: the files of the dashboard page as C arrays,
# without the indentation and the comments that no browser needs.
set(files
    /           index.html text/html
    /style.css  style.css  text/css
    /theme.js   theme.js   text/javascript
    /actions.js actions.js text/javascript
    /alarms.js  alarms.js  text/javascript
    /app.js     app.js     text/javascript
    /bench.js   bench.js   text/javascript
    /cache.js   cache.js   text/javascript
    /control.js control.js text/javascript
    /energy.js  energy.js  text/javascript
    /fleet.js   fleet.js   text/javascript
    /format.js  format.js  text/javascript
    /history.js history.js text/javascript
    /plot.js    plot.js    text/javascript
    /requests.js requests.js text/javascript
    /sweep.js   sweep.js   text/javascript
    /tiles.js   tiles.js   text/javascript
    /manifest.json manifest.json application/manifest+json
    /icon.svg   icon.svg   image/svg+xml)

set(arrays "#include \"services/gateway/assets_table.h\"\n")
set(rows "")
set(count 0)
while(files)
    list(POP_FRONT files path file type)
    file(READ ${DIR}/${file} text)
    string(REGEX REPLACE "(^|\n)([ ]*//[^\n]*\n)+" "\\1" text "${text}")
    string(REGEX REPLACE "\n +" "\n" text "${text}")
    string(HEX "${text}" hex)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(APPEND arrays "static const unsigned char file_${count}[] = {${bytes}};\n")
    string(APPEND rows
        "    {\"${path}\", \"${type}; charset=utf-8\", file_${count}, sizeof file_${count}},\n")
    math(EXPR count "${count} + 1")
endwhile()
file(WRITE ${OUT} "${arrays}const mlx_asset_t mlx_asset_table[] = {\n${rows}};\n"
    "const size_t mlx_asset_count = ${count};\n")
