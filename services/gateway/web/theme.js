// Before the first paint, so that a chosen theme does not flash.
(() => {
  try {
    const chosen = localStorage.getItem("theme");
    if (["dark", "light", "contrast"].includes(chosen)) document.documentElement.dataset.theme = chosen;
  } catch { /* storage may be forbidden: then the system's choice holds */ }
})();
