// Adders of ECP5 for Yosys's `techmap`, whose carry chain starts by itself.
//
// A carry cell adds bit by bit: its sum is LUT4 ^ carry, and the carry goes on as LUT4 ? carry : LUT2, where LUT2 is the
// low four bits of the same table. Yosys's own adders get the carry into bit 0, a constant, through the chain, for which
// nextpnr adds a cell: two LUTs, and an arm of a net that reaches over the whole chip. Here LUT4 of bit 0 is 0, so that
// LUT2 alone makes the carry out of it, whatever comes in; and the sum of bit 0 is an exclusive or of its own.
// Bits are added as in lattice/arith_map_ccu2c.v of Yosys; an adder that is or is not a subtractor is left to that.

(* techmap_celltype = "$alu" *)
module adder_that_starts (A, B, CI, BI, X, Y, CO);
	parameter A_SIGNED = 0;
	parameter B_SIGNED = 0;
	parameter A_WIDTH = 1;
	parameter B_WIDTH = 1;
	parameter Y_WIDTH = 1;
	parameter _TECHMAP_CONSTMSK_CI_ = 0;
	parameter _TECHMAP_CONSTVAL_CI_ = 0;
	parameter _TECHMAP_CONSTMSK_BI_ = 0;
	parameter _TECHMAP_CONSTVAL_BI_ = 0;

	(* force_downto *) input [A_WIDTH-1:0] A;
	(* force_downto *) input [B_WIDTH-1:0] B;
	input CI, BI;
	(* force_downto *) output [Y_WIDTH-1:0] X, Y, CO;

	wire _TECHMAP_FAIL_ = Y_WIDTH <= 4 || !_TECHMAP_CONSTMSK_CI_ || !_TECHMAP_CONSTMSK_BI_;

	localparam SLOTS = (Y_WIDTH + 1) / 2 * 2;
	localparam [15:0] ADD = 16'h96aa;
	localparam [15:0] START =
		_TECHMAP_CONSTVAL_CI_ ? (_TECHMAP_CONSTVAL_BI_ ? 16'h000b : 16'h000e)  // A | ~B, A | B
		                      : (_TECHMAP_CONSTVAL_BI_ ? 16'h0002 : 16'h0008);  // A & ~B, A & B

	(* force_downto *) wire [Y_WIDTH-1:0] a, b;
	\$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)) extend_a (.A(A), .Y(a));
	\$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) extend_b (.A(B), .Y(b));
	(* force_downto *) wire [SLOTS-1:0] a_in = a, b_in = b, b_added = BI ? ~b : b, sum, carry;

	genvar i;
	generate for (i = 0; i < SLOTS; i = i + 2) begin : pair
		wire into, low;
		CCU2C #(.INIT0(i ? ADD : START), .INIT1(ADD), .INJECT1_0("NO"), .INJECT1_1("NO")) cell_i (
			.CIN(into),
			.A0(a_in[i]), .B0(b_in[i]), .C0(i ? BI : 1'b1), .D0(1'b1),
			.A1(a_in[i+1]), .B1(b_in[i+1]), .C1(BI), .D1(1'b1),
			.S0(low), .S1(sum[i+1]), .COUT(carry[i+1])
		);
		if (i == 0) begin
			assign into = 1'b0;  // not heeded: `carry.loosen` takes it off
			assign sum[0] = a_in[0] ^ b_added[0] ^ CI;
			assign carry[0] = CI ? a_in[0] | b_added[0] : a_in[0] & b_added[0];
		end else begin
			assign into = carry[i-1];
			assign sum[i] = low;
			assign carry[i] = (a_in[i] & b_added[i]) | (into & (a_in[i] | b_added[i]));
		end
	end endgenerate

	assign Y = sum;
	assign X = a_in ^ b_added;
	assign CO = carry;
endmodule
