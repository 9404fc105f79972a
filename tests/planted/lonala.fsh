# Lonala processes: who is watched says something before it ends, and what it says holds more than a word.
cat > /tmp/p.lona <<'END'
(def me (self))
(defn child [n] (send me [:said (range n)]) (send me [:last (str n)]))
(defn heard [n]
  (let [[pid ref] (spawn-monitor (fn [] (child n)))]
    (sleep 1)
    (receive
      [:said numbers]
        (let [kept numbers more (map inc (range 400))]
          (receive [:last text]
            (receive [:DOWN _ _ _]
              (if (= [(reduce + 0 kept) text (count more)] [(reduce + 0 (range n)) (str n) 400]) n (exit :garbled)))))
      [:DOWN _ _ _] (exit :overtaken))))
(reduce (fn [sum n] (+ sum (heard n))) 0 (range 40))
END
lonala /tmp/p.lona || exit 61
