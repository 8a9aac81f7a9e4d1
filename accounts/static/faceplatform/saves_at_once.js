// A choice that is saved when it is made. Without this file its form has a button.
document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-saves]")) event.target.form.requestSubmit();
});
