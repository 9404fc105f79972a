# The LISP machine as a program: numbers of every kind, collections, processes with timers, collections of garbage, crashes.
cat > /tmp/work.lona <<'END'
(defn fib [n] (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(println (fib 17) (reduce * 1 (range 1 40)) (/ 22 7) (* 1.5 (/ 1.0 3)) (u8 300))
(def m (reduce (fn [m k] (put m k (* k k))) %{} (range 500)))
(println (count m) (reduce + 0 (vals m)) (hash m) (take 5 (keys m)))
(println (format "%08.3f|%x|%-6s|" 3.14159 48879 "ok") (sort [3 1 2]) #{:c :a :b})
(defn worker [n] (receive [:ask from] (do (send from [:got n (self)]) (worker n)) :stop :done))
(def ws (map (fn [n] (spawn (fn [] (worker n)))) (range 20)))
(map (fn [w] (send w [:ask (self)])) ws)
(println (sort (map (fn [_] (receive [:got n _] n)) ws)))
(map (fn [w] (send w :stop)) ws)
(println (map (fn [ms] (send-after (self) ms ms)) [30 10 20]))
(println (map (fn [_] (receive ms ms :after 1000 :none)) [1 2 3]) (quot (monotonic-time) 100000000))
(println (with-timeout 5 (fn [] (sleep 1000))) (with-timeout 50 (fn [] :quick)))
(println (match #bytes[0x12 0x34 0x56] #bits[a:4 b:12 c:8] [a b c]))
END
lonala /tmp/work.lona
lonala --gc-stress -e '(reduce + 0 (map inc (range 200)))'
printf '(+ 1 2)\n(spawn (fn [] (exit :boom)))\n(sleep 1)\n(self)\n(foo)\n(gensym)\n' | lonala 2>&1
echo '(sleep 20) :slow' | lonala & echo '(sleep 10) :quick' | lonala & wait
seq 1 3 | lonala
time lonala -e '(sleep 40)' 2> /dev/null
