# Calls of Lonala processes that other threads of the program make: reads of pipes that wait, files and commands, more of them at once
# than there are helpers, and processes that end while they wait.
cat > /tmp/calls.lona <<'DONE'
(def me (self))
(defn ask [work] (spawn (fn [] (send me (work)))))
(defn answers [n] (sort (map (fn [_] (receive m m :after 60000 :none)) (range n))))
(defn read-all [f n] (match (lona.os/read! f 64) [:ok b] (if (= (binary-size b) 0) n (read-all f (+ n (binary-size b)))) e e))
(defn main [_]
  (match (lona.os/open "/fd/0")
    [:ok in]
      (do
        (ask (fn [] [:read (read-all in 0)]))
        (spawn (fn [] ((fn tick [n] (if (< n 3) (do (sleep 100) (println "tick" n) (tick (+ n 1))))) 0)))
        (println (answers 1))
        (map (fn [i] (ask (fn [] (do (lona.os/spit (str "/tmp/f" i) (str "file " i)) (lona.os/slurp (str "/tmp/f" i)))))) (range 70))
        (println (count (filter (fn [a] (match a [:ok _] true _ false)) (answers 70))))
        (map (fn [i] (ask (fn [] (lona.os/exec "sleep" (str i))))) [3 1 2])
        (println (answers 3) (quot (monotonic-time) 1000000000)))))
DONE
(echo one; sleep 0.5; echo two) | lonala /tmp/calls.lona
sleep 5 | lonala -e "(def p (let [[:ok in] (lona.os/open \"/fd/0\")] (spawn-monitor (fn [] (lona.os/read! in 1)))))" '(do (sleep 100) (exit (first p) :enough) (receive [:DOWN _ _ r] [r (quot (monotonic-time) 1000000000)]))'
