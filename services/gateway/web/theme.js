// Before the first paint, so that a chosen theme does not flash; the program itself begins after that paint, which it
// would only hold up.
(() => {
  const root = document.documentElement;
  try {
    const chosen = localStorage.getItem("theme");
    if (["dark", "light", "contrast"].includes(chosen)) root.dataset.theme = chosen;
  } catch { /* storage may be forbidden: then the system's choice holds */ }
  root.className = "early";
  let begun = false;
  const begin = () => {
    if (begun) return;
    begun = true;
    root.className = "";
    import("/app.js");
  };
  requestAnimationFrame(() => setTimeout(begin));
  setTimeout(begin, 1000); // a page that nobody sees gets no frames
})();
