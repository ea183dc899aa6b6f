# cmake -DOUT=file.c -DDIR=folder -P embed.cmake: the recordings as C arrays.
set(recordings
    generate generate-stream.ndjson
    chat     chat-stream.ndjson
    v1_chat  v1-chat-stream.sse
    show     show.json
    props    runner/props.json
    slots    runner/slots.json)

set(text "#include \"tests/double/words.h\"\n")
while(recordings)
    list(POP_FRONT recordings name file)
    file(READ ${DIR}/${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(APPEND text "const char mlx_rec_${name}[] = {${bytes}0};\n")
endwhile()
file(WRITE ${OUT} "${text}")
