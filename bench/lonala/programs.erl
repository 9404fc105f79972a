%% The programs of programs.lona in Erlang.
-module(programs).
-compile([export_all, nowarn_export_all]).

main([Name, Times | Sizes]) ->
    Result = times(list_to_integer(Times), list_to_atom(Name), [list_to_integer(S) || S <- Sizes]),
    io:format("~p~n", [Result]),
    erlang:halt(0, [{flush, true}]).

times(0, _, _) -> 0;
times(1, F, Sizes) -> apply(?MODULE, F, Sizes);
times(N, F, Sizes) -> apply(?MODULE, F, Sizes), times(N - 1, F, Sizes).

fib(N) when N < 2 -> N;
fib(N) -> fib(N - 1) + fib(N - 2).

tak_of(X, Y, Z) when Y < X -> tak_of(tak_of(X - 1, Y, Z), tak_of(Y - 1, Z, X), tak_of(Z - 1, X, Y));
tak_of(_, _, Z) -> Z.
tak(N) -> tak_of(3 * N, 2 * N, N).

loop_inner(0, Sum) -> Sum;
loop_inner(K, Sum) -> loop_inner(K - 1, Sum + 1).
loop_middle(0, _, Sum) -> Sum;
loop_middle(J, N, Sum) -> loop_middle(J - 1, N, loop_inner(N, Sum)).
loop_outer(0, _, Sum) -> Sum;
loop_outer(I, N, Sum) -> loop_outer(I - 1, N, loop_middle(N, N, Sum)).
nested_loop(N) -> loop_outer(N, N, 0).

safe(_, _, []) -> true;
safe(C, _, [C | _]) -> false;
safe(C, D, [O | _]) when O =:= C + D -> false;
safe(C, D, [O | _]) when O =:= C - D -> false;
safe(C, D, [_ | Rest]) -> safe(C, D + 1, Rest).
place(0, _, _, _, Found) -> Found;
place(C, Row, N, Placed, Found) ->
    case safe(C, 1, Placed) of
        true -> place(C - 1, Row, N, Placed, Found + solutions(Row - 1, N, [C | Placed]));
        false -> place(C - 1, Row, N, Placed, Found)
    end.
solutions(0, _, _) -> 1;
solutions(Row, N, Placed) -> place(N, Row, N, Placed, 0).
queens(N) -> solutions(N, N, []).

numbers_to(0, Out) -> Out;
numbers_to(N, Out) -> numbers_to(N - 1, [N | Out]).
build_and_fold(N) -> lists:foldl(fun(X, A) -> X + A end, 0, numbers_to(N, [])).
build_and_map(N) -> hd(lists:map(fun(X) -> X + 1 end, numbers_to(N, []))).

put_all(N, N, M) -> M;
put_all(I, N, M) -> put_all(I + 1, N, maps:put(I * 7, I, M)).
get_all(N, N, _, Sum) -> Sum;
get_all(I, N, M, Sum) -> get_all(I + 1, N, M, Sum + maps:get(I * 7, M)).
puts_and_gets(N) -> get_all(0, N, put_all(0, N, #{}), 0).

join_numbers(N) ->
    Parts = lists:join(",", [integer_to_binary(X) || X <- numbers_to(N, [])]),
    byte_size(iolist_to_binary(Parts)).

doubled(0, B) -> B;
doubled(N, B) -> doubled(N - 1, <<B/binary, B/binary>>).
sum_fields(<<X:32, R/binary>>, Sum) -> sum_fields(R, Sum + X);
sum_fields(_, Sum) -> Sum.
binary_parse(N) -> sum_fields(doubled(N, <<1:32, 16#12345678:32, 512:32, 16#FF0000FF:32>>), 0).

append_bytes(0, B) -> B;
append_bytes(N, B) -> append_bytes(N - 1, <<B/binary, 7>>).
binary_append(N) -> byte_size(append_bytes(N, <<>>)).

power(_, 0) -> 1;
power(B, N) ->
    H = power(B, N div 2),
    case N rem 2 of 0 -> H * H; 1 -> B * (H * H) end.
multiply_some(0, _, Sum) -> Sum;
multiply_some(N, A, Sum) -> multiply_some(N - 1, A, Sum + ((A + N) * (A - N)) rem 1000003).
bignum_multiply(N, Exponent) -> multiply_some(N, power(3, Exponent), 0).

echo() ->
    receive
        {From, X} -> From ! X, echo();
        stop -> ok
    end.
exchange(0, _, _) -> 0;
exchange(N, Pid, X) ->
    Pid ! {self(), X},
    receive _ -> ok end,
    exchange(N - 1, Pid, X).
round_trip(N) -> Pid = spawn(fun echo/0), exchange(N, Pid, 1), Pid ! stop, N.
list_there_and_back(N) -> Pid = spawn(fun echo/0), exchange(N, Pid, numbers_to(100, [])), Pid ! stop, N.

member(Next) ->
    receive
        {token, Hops} -> Next ! {token, Hops - 1}, member(Next);
        stop -> Next ! stop
    end.
ring_of(0, Last) -> Last;
ring_of(N, Last) -> ring_of(N - 1, spawn(fun() -> member(Last) end)).
pass_on(First) ->
    receive
        {token, Hops} when Hops < 1 -> Hops;
        {token, Hops} -> First ! {token, Hops - 1}, pass_on(First)
    end.
ring(N, Hops) ->
    First = ring_of(N - 1, self()),
    First ! {token, Hops - 1},
    pass_on(First),
    First ! stop,
    receive stop -> N end.

spawn_and_await(0) -> 0;
spawn_and_await(N) ->
    {_, Ref} = spawn_monitor(fun() -> nil end),
    receive {'DOWN', Ref, _, _, _} -> ok end,
    spawn_and_await(N - 1).

idle() -> receive stop -> ok end.
spawn_all(0) -> ok;
spawn_all(N) -> spawn(fun idle/0), spawn_all(N - 1).
spawn_and_stay(N) ->
    Me = self(),
    spawn_all(N),
    spawn(fun() -> Me ! ready end),
    receive ready -> N end.
