/* data-copy="id" on a button: copies the text of that element and says so on the button. */
(function () {
  "use strict";

  function copy(button) {
    // a second click while it says "Copied" must not take that for its words
    var words = (button.dataset.words = button.dataset.words || button.textContent);
    var text = document.getElementById(button.dataset.copy).textContent.trim();
    function say(told) {
      button.textContent = told;
      setTimeout(function () {
        button.textContent = words;
      }, 2000);
    }
    if (!navigator.clipboard) {
      mark(document.getElementById(button.dataset.copy));
      say("Marked: copy it with Ctrl+C");
      return;
    }
    navigator.clipboard.writeText(text).then(
      function () {
        say("Copied");
      },
      function () {
        mark(document.getElementById(button.dataset.copy));
        say("Marked: copy it with Ctrl+C");
      },
    );
  }
  function mark(element) {
    getSelection().selectAllChildren(element);
  }
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
})();
