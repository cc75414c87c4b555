// ECP5's multiplier block, as far as dnn2fpga uses it, after what Lattice's own simulation model does.
// Each register stands in the way only if its REG_*_CLK parameter names a clock; operands carry their signedness
// through the input registers. Shift chains, the C operand and clock division are left out: pins for them do not
// exist here, so that a design that connects them does not compile.
`default_nettype none
module MULT18X18D #(
    parameter REG_INPUTA_CLK = "NONE",
    parameter REG_INPUTA_CE = "CE0",
    parameter REG_INPUTA_RST = "RST0",
    parameter REG_INPUTB_CLK = "NONE",
    parameter REG_INPUTB_CE = "CE0",
    parameter REG_INPUTB_RST = "RST0",
    parameter REG_PIPELINE_CLK = "NONE",
    parameter REG_PIPELINE_CE = "CE0",
    parameter REG_PIPELINE_RST = "RST0",
    parameter REG_OUTPUT_CLK = "NONE",
    parameter REG_OUTPUT_CE = "CE0",
    parameter REG_OUTPUT_RST = "RST0"
) (
    input wire A0, A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17,
    input wire B0, B1, B2, B3, B4, B5, B6, B7, B8, B9, B10, B11, B12, B13, B14, B15, B16, B17,
    input wire SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, CLK0, CE0, RST0,
    output wire P0, P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13, P14, P15, P16, P17,
    output wire P18, P19, P20, P21, P22, P23, P24, P25, P26, P27, P28, P29, P30, P31, P32, P33, P34, P35
);
    initial begin
        if (REG_INPUTA_CE != "CE0" || REG_INPUTB_CE != "CE0" || REG_PIPELINE_CE != "CE0" || REG_OUTPUT_CE != "CE0"
                || REG_INPUTA_RST != "RST0" || REG_INPUTB_RST != "RST0" || REG_PIPELINE_RST != "RST0"
                || REG_OUTPUT_RST != "RST0") begin
            $display("MULT18X18D: only CE0 and RST0 are modeled");
            $finish;
        end
    end

    // The operand with its signedness on top.
    wire [18:0] a = {SIGNEDA, A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
    wire [18:0] b = {SIGNEDB, B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
    reg [18:0] a_register, b_register;
    reg [35:0] pipeline_register, output_register;

    wire [18:0] a_used = REG_INPUTA_CLK == "CLK0" ? a_register : a;
    wire [18:0] b_used = REG_INPUTB_CLK == "CLK0" ? b_register : b;
    wire signed [35:0] a_wide = {{18{a_used[18] & a_used[17]}}, a_used[17:0]};
    wire signed [35:0] b_wide = {{18{b_used[18] & b_used[17]}}, b_used[17:0]};
    wire [35:0] product = a_wide * b_wide;
    wire [35:0] pipelined = REG_PIPELINE_CLK == "CLK0" ? pipeline_register : product;
    wire [35:0] p = REG_OUTPUT_CLK == "CLK0" ? output_register : pipelined;

    always @(posedge CLK0)
        if (RST0) begin
            a_register <= 0;
            b_register <= 0;
            pipeline_register <= 0;
            output_register <= 0;
        end else if (CE0) begin
            a_register <= a;
            b_register <= b;
            pipeline_register <= product;
            output_register <= pipelined;
        end

    // Operands from the shift chain are not modeled: unknown.
    assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
            P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0}
        = SOURCEA === 1'b0 && SOURCEB === 1'b0 ? p : 36'bx;
endmodule
