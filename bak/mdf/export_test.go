package mdf

// XMLText turns binary XML into text.
var XMLText = xmlText
