;;; The programs of programs.lona in Common Lisp, where it makes sense; compiled without declarations, as those are.
(defun fib (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))

(defun tak-of (x y z)
  (if (< y x) (tak-of (tak-of (- x 1) y z) (tak-of (- y 1) z x) (tak-of (- z 1) x y)) z))
(defun tak (n) (tak-of (* 3 n) (* 2 n) n))

(defun loop-inner (k sum) (if (= k 0) sum (loop-inner (- k 1) (+ sum 1))))
(defun loop-middle (j n sum) (if (= j 0) sum (loop-middle (- j 1) n (loop-inner n sum))))
(defun loop-outer (i n sum) (if (= i 0) sum (loop-outer (- i 1) n (loop-middle n n sum))))
(defun nested-loop (n) (loop-outer n n 0))

(defun safe (column distance placed)
  (if (null placed)
      t
      (let ((other (first placed)))
        (cond ((= other column) nil)
              ((= other (+ column distance)) nil)
              ((= other (- column distance)) nil)
              (t (safe column (+ distance 1) (rest placed)))))))
(defun place (column row n placed found)
  (if (= column 0)
      found
      (place (- column 1) row n placed
             (if (safe column 1 placed) (+ found (solutions (- row 1) n (cons column placed))) found))))
(defun solutions (row n placed) (if (= row 0) 1 (place n row n placed 0)))
(defun queens (n) (solutions n n '()))

(defun numbers-to (n out) (if (= n 0) out (numbers-to (- n 1) (cons n out))))
(defun build-and-fold (n) (reduce #'+ (numbers-to n '()) :initial-value 0))
(defun build-and-map (n) (first (mapcar (lambda (x) (+ x 1)) (numbers-to n '()))))

(defun puts-and-gets (n)
  (let ((map (make-hash-table)) (sum 0))
    (dotimes (i n) (setf (gethash (* i 7) map) i))
    (dotimes (i n sum) (incf sum (gethash (* i 7) map)))))

(defun join-numbers (n)
  (length (with-output-to-string (out)
            (let ((numbers (numbers-to n '())))
              (princ (first numbers) out)
              (dolist (x (rest numbers)) (write-char #\, out) (princ x out))))))

(defun power (b n)
  (if (= n 0) 1 (let ((h (power b (truncate n 2)))) (if (evenp n) (* h h) (* b (* h h))))))
(defun multiply-some (n a sum)
  (if (= n 0) sum (multiply-some (- n 1) a (+ sum (rem (* (+ a n) (- a n)) 1000003)))))
(defun bignum-multiply (n exponent) (multiply-some n (power 3 exponent) 0))

(defun main (program times &rest sizes)
  (let ((answer 0))
    (dotimes (i times) (setf answer (apply program sizes)))
    (format t "~a~%" answer)))
