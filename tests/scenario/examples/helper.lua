return { milliseconds = function(ns) return ns // 1000000 end }
