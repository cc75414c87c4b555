// The two sides of a component and its clock, for any Verilog simulator.
// The rules are those of Pysim in pysim.py, word for word: same draws, same cycles.
`timescale 1ns / 1ps

module testbench;
  parameter I_WIDTH = 8;
  parameter O_WIDTH = 8;
  localparam PROGRESS = 64;  // words between two reports on standard output

  reg clk = 0;
  reg rst = 1;
  reg [I_WIDTH-1:0] i_payload = 0;
  reg i_valid = 0;
  wire i_ready;
  wire [O_WIDTH-1:0] o_payload;
  wire o_valid;
  reg o_ready = 0;

  top dut (
    .clk(clk), .rst(rst),
    .i_payload(i_payload), .i_valid(i_valid), .i_ready(i_ready),
    .o_payload(o_payload), .o_valid(o_valid), .o_ready(o_ready)
  );

  reg [I_WIDTH-1:0] word;  // the next one to offer
  reg [63:0] count_in, count_out, source_stalls, sink_stalls, patience;
  reg [31:0] draw;
  reg [63:0] taken = 0, given = 0, cycle = 0, moved = 0;
  reg may_offer, i_fires, done;
  integer words, trace, status;

  task next_draw;
    begin
      draw = draw ^ (draw << 13);
      draw = draw ^ (draw >> 17);
      draw = draw ^ (draw << 5);
    end
  endtask

  // All happens between two edges of the clock: inputs change, settle for 1 ns, are looked at, and the edge comes.
  initial begin
    words = $fopen("words.hex", "r");
    status = $fscanf(words, "%h", word);
    status = $value$plusargs("count_in=%d", count_in);
    status = $value$plusargs("count_out=%d", count_out);
    status = $value$plusargs("source_stalls=%d", source_stalls);
    status = $value$plusargs("sink_stalls=%d", sink_stalls);
    status = $value$plusargs("patience=%d", patience);
    status = $value$plusargs("seed=%d", draw);
    trace = $fopen("trace.txt", "w");
    #1 clk = 1;
    #1 clk = 0;
    rst = 0;
    done = count_in == 0 && count_out == 0;
    while (!done) begin
      next_draw;
      may_offer = draw >= source_stalls;
      next_draw;
      o_ready = draw >= sink_stalls;
      i_valid = i_valid || (taken < count_in && may_offer);
      i_payload = i_valid ? word : ~word;
      #1;
      i_fires = i_valid && i_ready === 1'b1;
      if (o_ready && o_valid === 1'b1) begin
        moved = cycle;
        if (given < count_out) begin
          $fwrite(trace, "o %0d %h\n", cycle, o_payload);
          given = given + 1;
          if (given % PROGRESS == 0) begin
            $display("%0d", given);
            $fflush;
          end
        end
      end
      if (i_fires) begin
        moved = cycle;
        $fwrite(trace, "i %0d\n", cycle);
        taken = taken + 1;
        status = $fscanf(words, "%h", word);
      end
      done = (taken == count_in && given == count_out) || cycle - moved >= patience;
      clk = 1;
      #1;
      clk = 0;
      if (i_fires) i_valid = 0;  // not before the edge, which takes the word
      cycle = cycle + 1;
    end
    $fclose(words);
    $fclose(trace);
    $finish;
  end
endmodule
